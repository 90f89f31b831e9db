// What a vote costs CometBFT's own file signer (privval.FilePV): its state file is written and synced before it signs.
// Arguments: key type, rounds, directory. Prints milliseconds at the median and the 99th percentile as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/crypto/secp256k1"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
)

func newKey(kind string) crypto.PrivKey {
	if kind == "secp256k1" {
		return secp256k1.GenPrivKey()
	}
	return ed25519.GenPrivKey()
}

func vote(height int64) *cmtproto.Vote {
	hash := make([]byte, 32)
	return &cmtproto.Vote{
		Type: cmtproto.PrevoteType, Height: height, Timestamp: time.Now(),
		BlockID: cmtproto.BlockID{Hash: hash, PartSetHeader: cmtproto.PartSetHeader{Total: 1, Hash: hash}},
	}
}

func main() {
	rounds, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	file := func(name string) string { return filepath.Join(os.Args[3], name) }
	signer := privval.NewFilePV(newKey(os.Args[1]), file("key.json"), file("state.json"))
	signer.Save()
	took := make([]float64, rounds)
	for i := range took {
		message := vote(int64(i + 1))
		start := time.Now()
		if err := signer.SignVote("bench", message); err != nil {
			panic(err)
		}
		took[i] = float64(time.Since(start).Microseconds()) / 1000
	}
	sort.Float64s(took)
	figures := map[string]float64{"p50_ms": took[rounds/2], "p99_ms": took[rounds*99/100]}
	text, _ := json.Marshal(figures)
	fmt.Println(string(text))
}
