module gchain.example/tools/cometbft

go 1.26

require github.com/cometbft/cometbft v0.38.25
