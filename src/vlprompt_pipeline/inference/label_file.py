"""A table of labels that grows on disk: after a kill at any moment it is continued.

Until it is whole, `labels.csv` is `labels.csv.part`, a CSV file even where Parquet is asked for;
`labels.csv.part.json` has the settings it was begun with. To continue it, the photos in it are read
and a row that was written in part is cut off.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.filesystem.files import atomic_write

_BLOCK = 1 << 24  # bytes of the CSV file that become Parquet at once; a row must fit into them
SUFFIXES = (".csv", ".parquet")
_TEXT = ("path", "label", "nearest", "problem", "model", "version")


class LabelFile:
    """A CSV or Parquet file of rows, the first column of which is a photo's path.

    Attributes:
        path: of the finished file.
        page: of the page that is wanted beside it, with its name and `.html`; None if it is not.
        part: of what is there until then.
        done: paths of the photos that have a row.
    """

    def __init__(self, path: Path, overwrite: bool = False, page: bool = False) -> None:
        """Look at what is there, before long work starts; nothing is written yet.

        Raises:
            ConfigError: the name has another ending than `.csv` or `.parquet`.
            UserError: the file or its page is there already, and is not to be overwritten.
        """
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"{path} ends in neither {' nor '.join(SUFFIXES)}: name it so")
        if not path.parent.is_dir():
            raise ConfigError(f"there is no folder {path.parent} for {path.name}: make it first")
        self.path, self._overwrite = path, overwrite
        self.page = path.with_suffix(".html") if page else None
        self.part = path.with_name(f"{path.name}.part")
        self._begun_with = path.with_name(f"{path.name}.part.json")
        self.done: set[str] = set()
        self._open = ExitStack()
        self._stream: TextIO | None = None
        there = path if path.exists() else self.page
        goes_on = there == self.page and self.part.exists()  # killed behind the page
        if there and there.exists() and not overwrite and not goes_on:
            raise UserError(f"{there} is there already: name another file, or give --overwrite")

    def __enter__(self) -> LabelFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, columns: Sequence[str], settings: dict[str, Any]) -> None:
        """Open the file for rows of these columns, after the rows that it has.

        Args:
            columns: in order.
            settings: all that decides on a row; a file that was begun with others is refused.

        Raises:
            UserError: another process is writing it, or it was begun with other settings.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UserError(f"another process is writing {self.part}: wait for it to end") from None
        except OSError as error:
            raise UserError(f"cannot write {self.part}: {error.strerror}") from None
        self._open.callback(lock.release)
        self._open.callback(_remove, Path(lock.lock_file))  # before it is another process's lock
        wanted = {"columns": list(columns), **settings}
        if self.part.exists() and not self._overwrite:
            self._require_same(wanted)
            self._resume(columns)
        else:
            self.part.unlink(missing_ok=True)
            with atomic_write(self._begun_with) as temporary:
                temporary.write_text(json.dumps(wanted, ensure_ascii=False), encoding="utf-8")
        self._stream = self._open.enter_context(self.part.open("a", encoding="utf-8", newline=""))
        if not self._stream.tell():
            self.write([columns])

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows; they outlive this process once this returns.

        Raises:
            UserError: the disk is full.
        """
        try:
            self._stream.writelines(map(csv_line, rows))
            self._stream.flush()
        except OSError as error:
            raise UserError(
                f"cannot go on with {self.part}: {error.strerror}; make room and give the command "
                "again, which goes on there"
            ) from error

    def finish(self) -> None:
        """Make it the finished file."""
        self._stream.close()
        if self.path.suffix.lower() == ".parquet":
            _write_parquet(self.part, self.path)
            self.part.unlink()
        else:
            self.part.replace(self.path)
        self._begun_with.unlink(missing_ok=True)

    def _require_same(self, wanted: dict[str, Any]) -> None:
        try:
            before = dict(json.loads(self._begun_with.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            before = {}
        for key, value in wanted.items():
            if before.get(key) != value:
                raise UserError(
                    f"{self.part} was begun with {key} {_shown(before.get(key))}, not "
                    f"{_shown(value)}: give the same to go on, another --out, or --overwrite"
                )

    def _resume(self, columns: Sequence[str]) -> None:
        """Read what is done, and cut off what was not written whole."""
        whole = 0
        for row, end in _whole_rows(self.part, len(columns)):
            if whole:
                self.done.add(row[0])
            whole = end
        with self.part.open("r+b") as stream:
            stream.truncate(whole)


def _remove(lock: Path) -> None:
    with suppress(OSError):  # a system that keeps open files removes it later, or never
        lock.unlink()


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file that was written here, one after the other."""
    with _long_fields(), path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let fields be of any length: a set of thousands of labels exceeds 131,072 characters."""
    usual = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _whole_rows(path: Path, cells: int) -> Iterator[tuple[list[str], int]]:
    """Read rows that were written to their end, each with the byte at which it ends."""
    end = 0

    def lines(stream: Iterable[bytes]) -> Iterator[str]:
        nonlocal end
        for line in stream:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield line.decode("utf-8")

    with _long_fields(), path.open("rb") as stream:
        reader = csv.reader(lines(stream), strict=True)
        while True:
            try:
                row = next(reader, None)
            except csv.Error:  # the end of the file in the middle of a quoted name
                return
            if row is None or len(row) != cells:
                return
            yield row, end


def csv_line(row: Sequence[Any]) -> str:
    """Write a row of a table, with seven digits of a score: all that single precision has."""
    line = io.StringIO()
    # before Python 3.13 a carriage return in a name is quoted only where it is part of a line's end
    writer = csv.writer(line, lineterminator="\r\n")
    writer.writerow([f"{value:.7g}" if isinstance(value, float) else value for value in row])
    return line.getvalue().removesuffix("\r\n") + "\n"


def _write_parquet(source: Path, target: Path) -> None:
    """Turn the CSV file into Parquet, block by block."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    with source.open(encoding="utf-8", newline="") as stream:
        columns = next(csv.reader(stream))
    types = {name: pa.string() if name.split("_")[0] in _TEXT else pa.float64() for name in columns}
    reader = arrow_csv.open_csv(
        source,
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True
        ),
    )
    with atomic_write(target) as temporary, parquet.ParquetWriter(temporary, reader.schema) as out:
        for batch in reader:
            out.write_batch(batch)


def _shown(value: Any) -> str:
    if isinstance(value, str):  # folders may differ in their last letters
        return value
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
