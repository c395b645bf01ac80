"""`caxton module keygen`, `sign` and `verify`: keys and signatures in minisign's form; none of them needs a node."""

from __future__ import annotations

import time
from pathlib import Path

import click

from caxton_server.cli.connections import json_option, read_bytes
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean, data, pairs, talk

SUFFIX = ".minisig"

signature_option = click.option(
    "--signature",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Signature file of the module; default the module's path with {SUFFIX} added, if there is one.",
)
password_option = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File whose first line is the password; default: ask.",
)


def read_signature(named: Path | None, module: Path | None) -> bytes | None:
    """Return the signature file that is named, or that lies beside the module."""
    beside = None if module is None else module.with_name(module.name + SUFFIX)
    if named is None and (beside is None or not beside.is_file()):
        return None
    return read_bytes(named or beside or Path())


@click.command()
@click.argument("name", default="caxton")
@password_option
@click.option("--no-password", is_flag=True, help="Leave the secret key open, for machines.")
def keygen(name: str, password_file: Path | None, no_password: bool) -> None:
    """Make a key pair to sign modules with: NAME.key is the secret one, NAME.pub the public one.

    \b
    Example:
      caxton module keygen release
    """
    from caxton_server.secret_keys import SecretKey, write_new

    secret, public = Path(f"{name}.key"), Path(f"{name}.pub")
    for path in (secret, public):
        if path.exists():
            raise Stopped(Exit.CONFLICT, f"{path} exists; keys are never written over.")
    password = None if no_password else _password(password_file, new=True)
    key = SecretKey.new()
    try:
        write_new(secret, key.text(password), mode=0o600)
        write_new(public, key.public_text(), mode=0o644)
    except OSError as error:
        raise Stopped(Exit.FAILURE, f"Can't write the keys: {error.strerror or error}.") from None
    talk(f"{secret} signs: keep it secret. Nodes trust it by this line, or by {public}:")
    click.echo(str(key.public))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    default="caxton.key",
    show_default=True,
    help="File of the secret key.",
)
@password_option
@click.option("--comment", help="Trusted comment; default the time and the name of the file.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where to; default FILE{SUFFIX}.",
)
def sign(
    file: Path, key: Path, password_file: Path | None, comment: str | None, output: Path | None
) -> None:
    """Sign a module; the signature is written beside it, where deploying finds it.

    \b
    Example:
      caxton module sign pricer.wasm --key release.key
    """
    from returns.result import Failure

    from caxton_server.secret_keys import SecretKey

    content = read_bytes(file)
    if comment is None:
        comment = f"timestamp:{int(time.time())}\tfile:{clean(file.name, lines=False)}\thashed"
    if "\n" in comment or "\r" in comment:
        raise Stopped(Exit.USAGE, "A trusted comment is one line.")
    text = read_bytes(key).decode("utf-8", "replace")
    opened = SecretKey.read(text, lambda: _password(password_file, new=False))
    if isinstance(opened, Failure):
        raise Stopped(Exit.FAILURE, f"{key}: {opened.failure()}")
    secret = opened.unwrap()
    target = output or file.with_name(file.name + SUFFIX)
    try:
        target.write_text(str(secret.sign(content, comment=comment)), encoding="utf-8")
    except OSError as error:
        raise Stopped(Exit.FAILURE, f"Can't write {target}: {error.strerror or error}.") from None
    talk(f"{target} is the signature of {file} by the key {secret.public.id}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key", "keys", multiple=True, required=True, help="Public key, or its file; may be repeated."
)
@signature_option
@json_option
def verify(file: Path, keys: tuple[str, ...], signature: Path | None, json_: bool) -> None:
    """Tell whether a module is signed by one of the keys; exit code 1 if it is not.

    \b
    Example:
      caxton module verify pricer.wasm --key release.pub
    """
    from caxton_core.signatures import Signature
    from returns.result import Failure

    from caxton_server.signatures import judge, trust_of

    trust = trust_of("require", keys, ())
    if isinstance(trust, Failure):
        raise Stopped(Exit.USAGE, str(trust.failure()[1]))
    content = read_bytes(file)
    text = read_signature(signature, file)
    if text is None:
        raise Stopped(Exit.FAILURE, f"{file} has no signature: there is no {file}{SUFFIX}.")
    parsed = Signature.parse(text)
    if isinstance(parsed, Failure):
        raise Stopped(Exit.FAILURE, str(parsed.failure()))
    found = parsed.unwrap()
    verdict = judge(trust.unwrap(), content, found)
    doubt = verdict.failure() if isinstance(verdict, Failure) else None
    if json_:
        data(
            {
                "file": str(file),
                "signed": doubt is None,
                "key": found.key_id,
                "reason": "" if doubt is None else doubt.reason,
                "trusted_comment": found.trusted_comment if doubt is None else None,
            }
        )
    elif doubt is None:
        pairs({"file": str(file), "signed by": found.key_id, "comment": found.trusted_comment})
    if doubt is not None:
        raise Stopped(
            Exit.FAILURE, f"{file} is not to be trusted ({doubt.reason}): {doubt.detail}."
        )


def _password(file: Path | None, *, new: bool) -> bytes:
    if file is not None:
        return (read_bytes(file).splitlines() or [b""])[0]
    asked: str = click.prompt(
        "Password of the secret key", hide_input=True, confirmation_prompt=new, err=True
    )
    return asked.encode()
