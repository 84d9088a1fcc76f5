"""Passwords as they are stored, and the secrets that we make ourselves.

A password is a poor secret, so guessing it must be slow: argon2id with 19 MiB, two passes and one
lane, the least that OWASP advises. It takes about 30 ms of a processor, so it is nothing for the
thread of the reactor. A token is 256 random bits, which nobody guesses: its SHA-256 will do.
"""

import secrets
from hashlib import md5, sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

DIGEST_REALM = "scrapy-do"
TOKEN_PREFIX = "sd_"  # noqa: S105 - the part that is no secret
"""How tokens begin that we made, so that they are known for what they are."""
_TOKEN_BYTES = 32
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def password_hash(password: str) -> str:
    """What is stored of a password. Slow."""
    return _HASHER.hash(_bytes(password))


def is_password(stored: str, password: str) -> bool:
    """Whether a password is the one of which this was stored. Slow."""
    try:
        return _HASHER.verify(stored, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def nobodys_hash() -> str:
    """The hash of a password that nobody knows: unknown users cost as much as known ones."""
    return password_hash(secrets.token_urlsafe(_TOKEN_BYTES))


def digest_secret(user: str, password: str) -> str:
    """What a digest login needs of a password (RFC 7616: HA1 with MD5)."""
    text = f"{user}:{DIGEST_REALM}:{password}"
    return md5(_bytes(text), usedforsecurity=False).hexdigest()


def new_token() -> str:
    """A token that nobody has had before."""
    return f"{TOKEN_PREFIX}{secrets.token_urlsafe(_TOKEN_BYTES)}"


def token_digest(token: str) -> str:
    """How a token is stored: the hexadecimal SHA-256. Tokens are random, so no salt."""
    return sha256(_bytes(token)).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
