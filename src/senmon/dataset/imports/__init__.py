"""Formats that `senmon import` reads: one file per format, all behind one seam.

A format turns a source into a stream; `senmon.dataset.importing.import_stream` writes it:

    stream     Iterable[Imported | LeftOut | Problem]
    Imported   a conversation: its place, messages in the shape of a data line, intent, tags, split, notes
    LeftOut    a sound row that is not wanted, and why; counted
    Problem    path, line, field, why, remedy: this row is refused; the others go on

A format never writes, never counts and never stops for a broken row: it yields a Problem. It raises
DataInvalid only when the source as a whole can't be read. It holds one row at a time in memory.

`import_stream` does the rest for every format: makes the pack when it is new, judges each conversation by
the very rules by which packs are loaded (so that what was imported loads), refuses control markers in
replies, counts what was changed (`Imported.notes`), stops at the end with all problems or skips broken
rows, replaces its own file only, and leaves nothing half done.
"""
