"""Add the page on which one drops photos to an exported folder."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from vlprompt_pipeline.errors import UserError

PACKAGE = "onnxruntime-web@1.30.0"
"""What computes in the browser; no other version is tested."""
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfK"
    "YQ=="
)
"""The hash under which that version is published."""
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
PAGE = ("classify.js", "page.js", "resize.js", "style.css")


def write_web_page(folder: Path, runtime: Path | None = None) -> None:
    """Write `index.html` and `web/`; the page needs nothing but this folder on a file server.

    Args:
        folder: that was exported.
        runtime: the archive of `PACKAGE`; fetched with npm where none is given.

    Raises:
        UserError: npm is absent or fails, or the archive is not the one that was published.
    """
    source = files("vlprompt_pipeline.shipping") / "web"
    with TemporaryDirectory() as temporary:
        content = _runtime_files(runtime or _fetch_runtime(Path(temporary)))
    content |= {name: (source / name).read_bytes() for name in PAGE}
    (folder / "web").mkdir(exist_ok=True)
    for name, data in content.items():
        (folder / "web" / name).write_bytes(data)
    (folder / "index.html").write_bytes((source / "index.html").read_bytes())


def _fetch_runtime(folder: Path) -> Path:
    """Have npm bring the archive, by name and version."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        printed = getattr(error, "stderr", None) or b""  # bytes or None after a timeout
        reason = printed.decode(errors="replace").strip() or str(error)
        raise UserError(
            f"{PACKAGE} cannot be fetched with npm ({reason.splitlines()[-1]}): "
            "install npm, or download the archive elsewhere and name it with --web-runtime"
        ) from None
    return next(folder.glob("*.tgz"))


def _runtime_files(archive: Path) -> dict[str, bytes]:
    """Take the files of the runtime out of the archive that was published, and no other.

    Raises:
        UserError: it cannot be read, or has another hash.
    """
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise UserError(f"{archive}: {error.strerror}; name the archive of {PACKAGE}") from None
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise UserError(f"{archive} is not {PACKAGE} as it was published: fetch it again")
    with tarfile.open(archive) as packed:
        return {name: packed.extractfile(f"package/dist/{name}").read() for name in RUNTIME}
