"""The keys of access tokens for HAProxy: a PEM file for each, and maps that choose the file by a token's header.

HAProxy 2.6 loads the keys of `jwt_verify` at its start only, from the paths in its configuration. A backend that
receives no request names them all. The maps then decide which of the loaded keys are in use.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contract.claims import ACCESS_TYP
from contract.jws import encoded_header
from gateway.edge.folder import EdgeFolder

Keys = Mapping[str, jwt.PyJWK]

SUFFIXES = {"RS256": ".rs256.pem", "ES256": ".es256.pem"}
"""The ends of the names of key files, by the algorithms that HAProxy verifies."""


def key_map_lines(folder: EdgeFolder, keys: Keys) -> list[str]:
    """Return the lines of the map of keys.

    A key of the map is the whole header of a token, as the auth service writes it. So a token with another `typ`,
    algorithm or `kid`, or with any further parameter, has no key at the edge.
    """
    return [
        f"{encoded_header(typ=ACCESS_TYP, algorithm=key.algorithm_name, key_id=kid)} {_file(folder, key)}"
        for kid, key in sorted(keys.items())
        if key.algorithm_name in SUFFIXES
    ]


def write_key_files(folder: EdgeFolder, keys: Keys) -> bool:
    """Write the keys, their map and the configuration that loads them.

    Return whether HAProxy has to reload: a key is new, or one has gone. Raises OSError.
    """
    usable = [key for _, key in sorted(keys.items()) if key.algorithm_name in SUFFIXES]
    for key in usable:
        folder.write(_file(folder, key), _pem(key).splitlines())
    folder.write(folder.keys_map, key_map_lines(folder, keys))
    return folder.write(folder.keys, _loading_lines(folder, usable))


def _loading_lines(folder: EdgeFolder, keys: Sequence[jwt.PyJWK]) -> list[str]:
    return [
        "# Makes HAProxy load the public keys. No request uses this backend.",
        "backend sallyport-keys",
        "    mode http",
        "    timeout server 1s",
        "    timeout connect 1s",
        *(
            f'    http-request set-var(txn.loaded) str(),jwt_verify({key.algorithm_name},"{_file(folder, key)}")'
            for key in keys
        ),
    ]


def _file(folder: EdgeFolder, key: jwt.PyJWK) -> Path:
    # Named by its content, because HAProxy keeps a loaded file until it reloads.
    digest = sha256(_pem(key).encode()).hexdigest()[:16]
    return folder.path / f"key-{digest}{SUFFIXES[key.algorithm_name]}"


def _pem(key: jwt.PyJWK) -> str:
    pem: bytes = key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")
