"""Sessions with PKCS#11 tokens: loading a module, logging in, and coming back after a token or HSM went away.

PKCS#11 keeps the login per token and process, not per session, and a module reads its configuration when it is
initialised. So a process has one `Module` per shared object and one `TokenConnection` per token, used by one thread
at a time. Tokens of another SoftHSM store than the one of the process's environment are reached through `worker.py`,
in a process of their own.

The rule for PINs: a PIN that the token refused is never tried again, because a few more tries would lock the token.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
import pkcs11.exceptions as p11

from gchain_node.errors import KeyAccessError, KeyUnavailable
from gchain_node.keys.pin import PinSource
from gchain_node.keys.uri import Pkcs11Uri

__all__ = ["Module", "TokenConnection"]

T = TypeVar("T")

RECONNECT_SECONDS = 2.0  # CometBFT waits 5 s for a signature: answer "not now" well before
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5

_LOST = (
    p11.DeviceError,
    p11.DeviceRemoved,
    p11.FunctionFailed,
    p11.GeneralError,
    p11.KeyHandleInvalid,
    p11.NoSuchToken,
    p11.ObjectHandleInvalid,
    p11.SessionClosed,
    p11.SessionHandleInvalid,
    p11.SlotIDInvalid,
    p11.TokenNotPresent,
    p11.TokenNotRecognised,
    p11.UserNotLoggedIn,
)


class Module:
    """A loaded PKCS#11 shared object. `lock` is held during every call into it."""

    _loaded: dict[str, Module] = {}  # noqa: RUF012 -- one entry per shared object of the process, by design
    _loading = threading.Lock()

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.generation = 0
        self._pins: dict[bytes, bytes] = {}
        self._connections: dict[tuple[object, ...], TokenConnection] = {}
        if not Path(path).exists():
            raise KeyAccessError(
                f"there is no PKCS#11 module at {path}",
                remedy="install the HSM's library, or correct module-path in the URI",
            )
        try:
            self.lib: Any = pkcs11.lib(path)
        except (p11.PKCS11Error, OSError) as error:
            raise KeyAccessError(f"the PKCS#11 module {path} does not load: {_say(error)}") from error

    @classmethod
    def load(cls, path: str) -> Module:
        with cls._loading:
            if path not in cls._loaded:
                cls._loaded[path] = cls(path)
            return cls._loaded[path]

    def restart(self, generation: int) -> None:
        """Finalise and initialise the module, unless someone did since `generation`. All its sessions end."""
        if generation == self.generation:
            self.generation += 1
            self._pins.clear()
            try:
                self.lib.reinitialize()
            except p11.PKCS11Error as error:
                raise KeyUnavailable(f"the PKCS#11 module {self.path} does not start again: {_say(error)}") from error

    def connection(self, uri: Pkcs11Uri, pin: PinSource) -> TokenConnection:
        """The process's connection to the token that `uri` names, made on first use."""
        selector = (uri.token, uri.serial, uri.manufacturer, uri.model, uri.slot_id)
        with self.lock:
            known = self._connections.get(selector)
            if known is None:
                known = self._connections[selector] = TokenConnection(self, uri, pin)
            else:
                known.check_pin(pin)
            return known

    def find_token(self, uri: Pkcs11Uri) -> Any:
        """The one initialised token that `uri` names. Raises `NoSuchToken`, or `KeyAccessError` if several match."""
        present = [token for token in self.lib.get_tokens() if pkcs11.TokenFlag.TOKEN_INITIALIZED in token.flags]
        matching = [token for token in present if _matches(token, uri)]
        if not matching:
            labels = ", ".join(repr(token.label) for token in present) or "none"
            raise p11.NoSuchToken(f"no token {_selector(uri)} in {self.path}; tokens found: {labels}")
        if len(matching) > 1:
            serials = ", ".join(token.serial.decode(errors="replace") for token in matching)
            raise KeyAccessError(
                f"{len(matching)} tokens match {_selector(uri)} in {self.path}: serials {serials}",
                remedy="add serial= to the URI",
            )
        return matching[0]

    def log_in(self, token: Any, pin: str, *, rw: bool = False) -> Any:
        """A session of the user, never trying a PIN on a token that would lock at the next wrong one."""
        _refuse_locked(token)
        digest = hashlib.sha256(token.serial + b"\0" + pin.encode()).digest()
        try:
            session = _open(token, rw=rw, user_pin=pin)
        except p11.UserAlreadyLoggedIn:  # which says nothing about this PIN
            if self._pins.get(token.serial) != digest:
                raise KeyAccessError(f"wrong PIN for token {token.label!r}: another one is logged in") from None
            session = _open(token, rw=rw)
        except (
            p11.PinIncorrect,
            p11.PinInvalid,
            p11.PinLenRange,
            p11.PinLocked,
            p11.PinExpired,
            p11.UserPinNotInitialized,
        ) as error:
            raise KeyAccessError(
                f"token {token.label!r} refuses the PIN: {_say(error)}",
                remedy="check the PIN file; a few more tries may lock the token",
            ) from None
        self._pins[token.serial] = digest
        return session


class TokenConnection:
    """A logged-in session with one token, made again when it is lost. `epoch` counts sessions: handles belong to
    one.
    """

    def __init__(self, module: Module, uri: Pkcs11Uri, pin: PinSource) -> None:
        self._module, self._uri, self._pin = module, uri, pin
        self._session: Any = None
        self._generation = -1
        self._refused: bytes | None = None
        self.epoch = 0

    def check_pin(self, pin: PinSource) -> None:
        """Take `pin` as the source from now on; if a session is open, it must be the PIN that opened it."""
        with self._module.lock:
            if self._session is not None and self._generation == self._module.generation:
                self._module.log_in(self._session.token, pin()).close()
            self._pin = pin

    def run(self, action: Callable[[Any], T]) -> T:
        """`action(session)`, again on a new session if the old one was lost, for at most `RECONNECT_SECONDS`.

        Raises `KeyUnavailable` if the token did not come back, `KeyAccessError` if it refuses the PIN. `action` may
        run twice: it must not change the token.
        """
        deadline = time.monotonic() + RECONNECT_SECONDS
        pause = _FIRST_PAUSE
        with self._module.lock:
            while True:
                try:
                    return action(self._open())
                except _LOST as error:
                    self._session = None
                    if time.monotonic() + pause > deadline:
                        raise KeyUnavailable(f"token {_selector(self._uri)} is not available: {_say(error)}") from error
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._module.restart(self._module.generation if self._generation < 0 else self._generation)

    def token(self) -> Any:
        """The token as it is now (flags, serial, label)."""
        return self.run(lambda session: session.token)

    def _open(self) -> Any:
        if self._session is None or self._generation != self._module.generation:
            self._generation = self._module.generation
            token = self._module.find_token(self._uri)
            self._session = self._module.log_in(token, self._unrefused_pin())
            self._refused = None
            self.epoch += 1
        return self._session

    def _unrefused_pin(self) -> str:
        pin = self._pin()
        digest = hashlib.sha256(pin.encode()).digest()
        if digest == self._refused:
            raise KeyAccessError(f"token {_selector(self._uri)} has refused this PIN before; it is not tried again")
        self._refused = digest  # forgotten once the log-in worked
        return pin


def _matches(token: Any, uri: Pkcs11Uri) -> bool:
    return (
        uri.token in (None, token.label)
        and uri.serial in (None, token.serial.decode(errors="replace"))
        and uri.manufacturer in (None, token.manufacturer_id)
        and uri.model in (None, token.model)
        and uri.slot_id in (None, token.slot.slot_id)
    )


def _open(token: Any, *, rw: bool, **user: str) -> Any:
    """A session. Some HSMs have no read-only ones and say CKR_FUNCTION_FAILED: AWS CloudHSM's client SDK 5 does
    (user guide, known issues of the PKCS #11 library).
    """
    try:
        return token.open(rw=rw, **user)
    except p11.FunctionFailed:
        if rw:
            raise
        return token.open(rw=True, **user)


def _refuse_locked(token: Any) -> None:
    if pkcs11.TokenFlag.USER_PIN_LOCKED in token.flags:
        raise KeyAccessError(
            f"the user PIN of token {token.label!r} is locked",
            remedy="the security officer sets a new PIN with the SO PIN",
        )
    if pkcs11.TokenFlag.USER_PIN_FINAL_TRY in token.flags:
        raise KeyAccessError(
            f"one more wrong PIN locks token {token.label!r}: no service tries it",
            remedy="log in once by hand with the right PIN",
        )


def _selector(uri: Pkcs11Uri) -> str:
    named = {
        "token": uri.token,
        "serial": uri.serial,
        "manufacturer": uri.manufacturer,
        "model": uri.model,
        "slot-id": uri.slot_id,
    }
    return ";".join(f"{name}={value}" for name, value in named.items() if value is not None) or "(any)"


def _say(error: BaseException) -> str:
    """PKCS#11 errors mostly carry no text: their names are the return values of the standard."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
