"""The `senmon` command: puts the groups together and turns errors into exit codes."""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Annotated

import typer

from senmon import __version__
from senmon.cli import output
from senmon.errors import ConfigError, ProblemsError, SenmonError

app = typer.Typer(
    name="senmon",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Domain chatbots that can be trusted in their domain.\n\n"
    "Start with `senmon up`: it serves every pack at http://127.0.0.1:8000 and tunes what is untuned.\n\n"
    "Then: `senmon new NAME` (a pack of your own) → `senmon check NAME` → `senmon tune NAME` → "
    "`senmon eval NAME` → `senmon adapters release NAME`.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"senmon {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Domain chatbots that can be trusted in their domain."""


def compose() -> None:
    """Put the groups together; once per process."""
    from senmon.cli import (
        adapters,
        base,
        bench,
        bench_loop,
        bench_scaling,
        bench_speed,
        bench_trust,
        chatting,
        checking,
        classes,
        corrections,
        doctor,
        exporting,
        generating,
        importing,
        importing_rasa,
        improve,
        inbox,
        packs,
        serving,
        sites,
        staff,
        tuning,
        visitors,
        webhooks,
    )

    app.command(rich_help_panel="Serve")(serving.up)
    app.command(rich_help_panel="Serve")(serving.serve)
    app.command(rich_help_panel="Serve")(chatting.chat)
    app.command(rich_help_panel="Serve")(chatting.route)
    app.add_typer(sites.app, name="sites", rich_help_panel="Serve")
    app.add_typer(staff.app, name="staff", rich_help_panel="Serve")
    app.add_typer(visitors.app, name="visitors", rich_help_panel="Serve")
    app.add_typer(classes.app, name="classes", rich_help_panel="Serve")
    app.add_typer(webhooks.app, name="webhooks", rich_help_panel="Serve")
    app.command(rich_help_panel="Packs")(packs.new)
    app.command(rich_help_panel="Packs")(checking.check)
    app.add_typer(packs.app, name="packs", rich_help_panel="Packs")
    importing.app.command("rasa")(importing_rasa.import_rasa)
    app.add_typer(importing.app, name="import", rich_help_panel="Packs")
    app.command(rich_help_panel="Packs")(exporting.export)
    app.command(rich_help_panel="Packs")(generating.generate)
    app.add_typer(generating.app, name="review", rich_help_panel="Packs")
    app.command(rich_help_panel="Adapters")(tuning.tune)
    app.command(name="eval", rich_help_panel="Adapters")(tuning.eval)
    app.add_typer(inbox.app, name="inbox", rich_help_panel="Learn")
    app.command(rich_help_panel="Learn")(improve.improve)
    app.command(rich_help_panel="Learn")(improve.gaps)
    app.add_typer(adapters.app, name="adapters", rich_help_panel="Adapters")
    app.add_typer(base.app, name="base", rich_help_panel="Machine")
    app.add_typer(corrections.app, name="corrections", rich_help_panel="Packs")
    speed = (bench_speed.serve, bench_speed.tune, bench_speed.overhead)
    for measured in (*speed, bench_loop.loop, bench_scaling.scaling, bench_trust.trust):
        bench.app.command()(measured)
    app.add_typer(bench.app, name="bench", rich_help_panel="Machine")
    app.command(rich_help_panel="Machine")(doctor.doctor)


def run() -> None:
    """Entry point. Exit codes: 0 done, 1 senmon's own errors, 2 usage, 130 Ctrl-C."""
    compose()
    if not sys.warnoptions:  # of the libraries below, for their developers
        warnings.simplefilter("ignore", FutureWarning)
    try:
        app()
    except SenmonError as error:
        _report(error)
        sys.exit(1)
    except KeyboardInterrupt:
        output.note("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        _report(_system_fault(error))
        sys.exit(1)


#: What the system refuses and people can mend; anything else is a fault of ours and shows its trace.
_REMEDIES = {
    errno.ENOSPC: "free disk space; nothing half-written is left",
    errno.EDQUOT: "free disk space; nothing half-written is left",
    errno.EACCES: "check the permissions, or name another place",
    errno.EPERM: "check the permissions, or name another place",
    errno.EROFS: "name a place that can be written, SENMON_HOME for the state",
    errno.ENOTDIR: "a file stands where a folder is needed: move it, or name another place",
    errno.EEXIST: "a file stands where a folder is needed: move it, or name another place",
    errno.EMFILE: "close other programs, or raise the limit of open files (ulimit -n)",
}


def _system_fault(error: OSError) -> SenmonError:
    place = f"{error.filename}: " if error.filename else ""
    return ConfigError(f"{place}{error.strerror or error}", remedy=_REMEDIES[error.errno or 0])


def _report(error: SenmonError) -> None:
    if output.wants_json():
        data: dict[str, object] = {"code": error.code, "message": error.message, "remedy": error.remedy}
        if isinstance(error, ProblemsError):
            data["problems"] = [str(problem) for problem in error.problems]
        output.emit_line({"error": data})
    output.errors.print(f"[bold red]error[/] [dim]{error.code}[/]")
    output.errors.print(str(error), markup=False, soft_wrap=True)


if __name__ == "__main__":
    run()
