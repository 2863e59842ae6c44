"""What a locked-down worker can no longer do, and what is said where a mechanism is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.grading import Options, grade
from grader.sandbox.client import Server, WeakIsolationError, isolation_of, require_full, start
from grader.sandbox.client.isolation import measure
from grader.sandbox.server.fork import ForkServer
from grader.sandbox.server.spawn import SpawnServer
from grader.sandbox.worker import kernel, landlock, lockdown, namespaces, seccomp
from grader.sandbox.worker.server import NO_WORKER
from tests.bank import ROOT

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux only")
WALLS = ("bubblewrap", "namespaces", "landlock", "seccomp", "capabilities", "rlimits")
Write = Callable[[str], Path]


def in_a_child(code: str, *before: str) -> str:
    """What `code` prints after `before`, in a process of its own."""
    program = "\n".join(["import os, sys, ctypes, socket", *before, code])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip() or f"exit {done.returncode} {done.stderr[-300:]}"


def attempt(action: str) -> str:
    """Code that prints `done`, or the name of the error number."""
    return (
        f"import errno\ntry:\n    {action}\n    print('done')\n"
        "except OSError as error:\n    print(errno.errorcode[error.errno])"
    )


def _landlocked(allowed: Path) -> str:
    return (
        "from grader.sandbox.worker import landlock\n"
        f"landlock.restrict(landlock.prepare([{str(allowed)!r}], [], ['/dev/null']))"
    )


@linux
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("open(INSIDE).read()", "done"),
        ("os.listdir(FOLDER)", "done"),
        ("open('/dev/null', 'w').write('x')", "done"),
        ("open(OUTSIDE).read()", "EACCES"),
        ("os.listdir('/')", "EACCES"),
        ("open(INSIDE, 'a')", "EACCES"),
        ("open(FOLDER + '/new', 'x')", "EACCES"),
        ("os.truncate(INSIDE, 0)", "EACCES"),
        ("os.remove(INSIDE)", "EACCES"),
        ("os.mkdir(FOLDER + '/new')", "EACCES"),
        ("os.rmdir(FOLDER + '/empty')", "EACCES"),
        ("os.symlink('a', FOLDER + '/new')", "EACCES"),
        ("os.mkfifo(FOLDER + '/new')", "EACCES"),
        ("os.rename(INSIDE, FOLDER + '/new')", "EACCES"),
        ("os.link(INSIDE, FOLDER + '/new')", "EACCES"),
        ("os.execv('/bin/true', ['true'])", "EACCES"),
        ("socket.create_connection(('127.0.0.1', 9))", "EACCES"),
        ("socket.socket().bind(('127.0.0.1', 0))", "EACCES"),
        ("os.kill(os.getppid(), 0)", "EPERM"),
        ("open(f'/proc/{os.getppid()}/environ').read()", "EACCES"),
    ],
)
def test_landlock(tmp_path: Path, action: str, expected: str) -> None:
    known = landlock.version()
    if ("socket" in action and known < 4) or ("kill" in action and known < 6):
        pytest.skip("this kernel's Landlock is too old for that")
    folder = tmp_path / "allowed"
    (folder / "empty").mkdir(parents=True)
    (folder / "inside").write_text("x", encoding="utf-8")
    (tmp_path / "outside").write_text("x", encoding="utf-8")
    names = (
        f"FOLDER, INSIDE, OUTSIDE = {str(folder)!r}, {str(folder / 'inside')!r}, "
        f"{str(tmp_path / 'outside')!r}"
    )
    assert in_a_child(attempt(action), names, _landlocked(folder)) == expected


_FILTERED = "from grader.sandbox.worker import seccomp\nseccomp.restrict()"


@linux
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("socket.socket()", "EPERM"),
        ("socket.socketpair()", "EPERM"),
        ("os.rename('a', 'b')", "EPERM"),
        ("os.memfd_create('x')", "EPERM"),
        ("os.kill(os.getpid(), 0)", "done"),
        ("import threading; t = threading.Thread(target=print); t.start(); t.join()", "done"),
        ("os.fork()", "exit -31"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "exit -31"),
        ("os.execv('/bin/true', ['true'])", "exit -31"),
        ("os.kill(1, 0)", "exit -31"),
        ("os.chmod('/tmp', 0o1777)", "exit -31"),
        ("os.setpriority(os.PRIO_PROCESS, 0, 1)", "exit -31"),
        ("ctypes.CDLL(None).ptrace(0, 0, 0, 0)", "exit -31"),
        ("ctypes.CDLL(None).shmget(0, 4096, 0o1600)", "exit -31"),
    ],
)
def test_seccomp(action: str, expected: str) -> None:
    assert in_a_child(attempt(action), _FILTERED).strip().startswith(expected)


@linux
def test_capabilities_are_dropped() -> None:
    held = "print([l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1])"
    drop = "from grader.sandbox.worker import kernel\nkernel.drop_capabilities()"
    reading_only = 1 << 2
    assert int(in_a_child(held, drop), 16) & ~reading_only == 0


@linux
def test_namespaces_hide_the_network_and_other_processes() -> None:
    code = "print(os.getpid(), open('/proc/net/dev').read().count(':'))"
    enter = "from grader.sandbox.worker import namespaces\nnamespaces.enter()"
    found = in_a_child(code, enter)
    if "UnavailableError" in found:
        pytest.skip("this machine gives no namespaces")
    assert found == "1 1"  # process 1, and the loopback device alone


class TestWithout:
    """A worker without one mechanism still answers, and its level says what that is worth."""

    @linux
    @pytest.mark.parametrize(
        ("without", "level", "weakness"),
        [
            ((), "full", None),
            (("bubblewrap",), "full", None),
            (("bubblewrap", "namespaces"), "full", None),
            (("bubblewrap", "namespaces", "capabilities"), "full", None),
            (("bubblewrap", "namespaces", "landlock"), "process", "read a file"),
            (("bubblewrap", "namespaces", "seccomp"), "process", "start a process"),
            (WALLS, "process", "signal another process"),
            (WALLS, "process", "empty a file"),
            (WALLS, "process", "have signals sent for a file"),
        ],
    )
    def test_level(self, without: tuple[str, ...], level: str, weakness: str | None) -> None:
        with start(without=without) as server:
            found = measure(server)
        assert found.level == level
        assert weakness is None or weakness in found.weaknesses
        assert not set(found.mechanisms) & set(without)

    @linux
    def test_the_graders_memory_is_its_own(self) -> None:
        before = kernel.memory_is_open()
        with start() as one, start(without=WALLS) as two:
            isolation_of(two)  # it has started
            assert not kernel.memory_is_open()
            one.close()
            one.close()  # a second time, and nothing changes
            assert not kernel.memory_is_open()
            if os.getuid():  # the kernel gives such a process's files to root
                assert os.stat(f"/proc/{two._process.pid}/mem").st_uid == 0  # type: ignore[union-attr]  # a ForkServer
        assert kernel.memory_is_open() == before

    @linux
    def test_a_fork_that_fails_costs_the_workers_of_then_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with start() as server:
            assert isinstance(server, ForkServer)
            first, connection = server.fork()
            os.killpg(server._process.pid, signal.SIGKILL)  # it ran out of something
            second, other = server.fork()
            assert server.end(first) == (-signal.SIGKILL, 0.0)
            told = iter([(NO_WORKER, 0, 0)])  # it has no process to give
            reply = server._reply
            monkeypatch.setattr(server, "_reply", lambda: next(told, None) or reply())
            third, last = server.fork()
            assert server.end(second) == (-signal.SIGKILL, 0.0)
            assert server.end(third)[0] is not None
            for held in (connection, other, last):
                held.close()

    def test_untrusted_is_refused(self) -> None:
        with start(without=WALLS) as server:
            with pytest.raises(WeakIsolationError, match=r"level process.*read a file.*landlock"):
                require_full(isolation_of(server))
            with pytest.raises(WeakIsolationError):
                grade(ROOT / "solutions", Options(untrusted=True), server=server)

    def test_spawned_workers(self) -> None:
        with SpawnServer(lockdown.Limits(), WALLS) as server:
            report = grade(ROOT / "solutions", Options(seed=1, timeout=60.0), server=server)
        assert (report.verdict, report.isolation_level) == ("pass", "process")
        assert report.isolation_mechanisms == ()

    @linux
    def test_a_worker_that_cannot_be_tested_is_at_level_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("grader.sandbox.client.isolation._SECONDS", 0.0)
        with start() as server:
            assert measure(server).level == "none"

    def test_no_platform_crashes_for_want_of_a_mechanism(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        for mechanism in (
            landlock.version,
            seccomp.restrict,
            namespaces.enter,
            kernel.drop_capabilities,
        ):
            with pytest.raises(kernel.UnavailableError, match="riscv64"):
                mechanism()
        plan = lockdown.prepare(lockdown.Limits(), (), lockdown.enter(()))
        assert (plan.found, plan.ruleset) == ((), None)

    def test_windows_has_no_resource_module(self) -> None:
        hide = "sys.modules['resource'] = None\nfrom grader.sandbox.worker import lockdown, spawned"
        assert in_a_child("print(lockdown.resource)", hide) == "None"

    @linux
    def test_a_kernel_without_landlock_or_seccomp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(number: int, *arguments: object) -> int:
            raise OSError(38, "Function not implemented")

        for module in (landlock, seccomp, namespaces):
            monkeypatch.setattr(module, "syscall", refuse)
        monkeypatch.setattr(seccomp, "forbid_new_privileges", lambda: None)
        for mechanism in (landlock.version, seccomp.restrict, namespaces.enter):
            with pytest.raises(kernel.UnavailableError, match="not implemented"):
                mechanism()

    @linux
    def test_bubblewrap_that_is_installed_and_may_not_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = tmp_path / "bwrap"
        fake.write_text("#!/bin/sh\necho no permission >&2; exit 1\n", encoding="utf-8")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with start() as server:
            found = measure(server)
        assert found.level == "full"
        assert "bubblewrap" not in found.mechanisms


@linux
def test_the_kit_is_out_of_reach() -> None:
    paths = ("solutions/gpt2.py", "grader/gpt2/oracle.py", "tests/bank.py")
    others = ["/etc/passwd", "/proc/self/mem", "/proc/cpuinfo", os.path.realpath(json.__file__)]
    found = in_a_child(
        "print([reach().allows(path) for path in PATHS])",
        "sys.path[:] = [p for p in sys.path if p and p != os.getcwd()]",
        "sys.path.append(os.getcwd())",
        "from grader.sandbox.worker.reach import reach",
        "sys.path.pop()",
        f"PATHS = {[str(ROOT / path) for path in paths] + others}",
    )
    assert found == str([False, False, False, False, False, True, True])


_EVENTS = """
def told(action):
    found = []
    class Ended(BaseException): pass
    def tell(text):
        found.append(text)
        raise Ended
    from grader.sandbox.worker.audit import Watch, own_files
    from grader.sandbox.worker.reach import reach
    Watch(reach(), own_files([]), tell).start()
    try:
        exec(action)
    except Ended:
        pass
    except Exception as error:
        found.append(type(error).__name__)
    sys.stdout.write(repr(found)); sys.stdout.flush(); os._exit(0)
"""


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("socket.socket()", "used the network (socket.__new__)"),
        ("socket.getaddrinfo('localhost', 1)", "used the network (socket.getaddrinfo)"),
        ("import subprocess; subprocess.run(['true'])", "started a process (subprocess.Popen)"),
        ("os.system('true')", "started a process (os.system)"),
        ("os.fork()", "started a process (os.fork)"),
        ("os.execv('/bin/true', ['true'])", "started a process (os.exec)"),
        ("os.kill(os.getpid(), 0)", "sent a signal (os.kill)"),
        ("os.remove('nothing')", "changed a file (os.remove)"),
        ("os.chmod('nothing', 0)", "changed a file (os.chmod)"),
        ("os.mkdir('nothing/at/all')", "changed a file (os.mkdir)"),
        ("compile('1', '/x.py', 'eval')", "made code under the name of /x.py"),
        ("told.__code__.replace(co_filename='/x.py')", "made code under the name of /x.py"),
        ("open('nothing/at/all', 'w')", "opened nothing/at/all to write"),
        ("open('/etc/passwd')", "read /etc/passwd"),
        ("import pathlib; pathlib.Path('/etc/passwd').read_text()", "read /etc/passwd"),
        ("import pathlib; list(pathlib.Path('/etc').iterdir())", "listed /etc"),
        ("import io; io.FileIO('/etc/passwd')", "read /etc/passwd"),
        ("os.open(b'/etc/passwd', os.O_RDONLY)", "read /etc/passwd"),
        ("os.listdir('/')", "listed /"),
        ("ctypes.CDLL(None)", "went around Python with ctypes (ctypes.dlopen)"),
        ("import sqlite3; sqlite3.connect('x/y')", "opened a file (sqlite3.connect)"),
    ],
)
def test_what_was_tried_is_told(action: str, expected: str) -> None:
    assert in_a_child(f"told({action!r})", _EVENTS) == repr([expected])


@pytest.mark.parametrize(
    "action",
    [
        "import torch.nn.attention",
        "open(os.devnull, 'w').write('x')",
        "open('no such file').read()",
        "import platform; platform.platform()",
        "import threading; t = threading.Thread(target=print); t.start(); t.join()",
        "import random, logging, warnings; logging.basicConfig(); warnings.warn('x')",
        "import inspect, json; inspect.getsource(json.loads)",
        "import collections; collections.namedtuple('Shape', 'b t c')",
        "import torch.fx; torch.fx.symbolic_trace(torch.nn.Linear(2, 2))",
    ],
)
def test_what_honest_code_does_is_not_told(action: str) -> None:
    assert in_a_child(f"told({action!r})", _EVENTS).strip() in ("[]", "['FileNotFoundError']")


@linux
def test_violations_are_named_in_the_report(server: Server, write: Write, reference: str) -> None:
    at_work = reference.replace(
        "hidden = self.activation", "__import__('socket').socket(); hidden = self.activation"
    )
    assert at_work != reference
    report = grade(write(at_work), Options(seed=0), server=server)
    of_mlp = [result for result in report.results if result.check.part == "MLP"]
    assert "violation" in {result.status for result in of_mlp}
    told = " ".join(result.message for result in of_mlp)
    assert "the submission used the network (socket.__new__)" in told


@linux
def test_an_attempt_at_import_is_told_and_costs_that_check(
    server: Server, write: Write, reference: str
) -> None:
    report = grade(
        write(f"{reference}\nimport socket\nsocket.socket()\n"), Options(seed=0), server=server
    )
    (failed,) = (result for result in report.results if result.failed)
    assert failed.check.id == "gpt2.imports"
    assert "used the network" in failed.message
