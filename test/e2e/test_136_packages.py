# SPDX-License-Identifier: Apache-2.0
"""What is installed, by meson and as a Debian package; manual and completion fit the program.

The package is installed for good, in a whole root, by scripts/package-deb --check.
"""

import gzip
import os
import re
import shutil
import subprocess

import pytest
import yaml

import tools
from conftest import ROOT, binary

OPTION_PAGE = "share/man/man5/outrider.yaml.5"
COMMAND_PAGE = "share/man/man8/outrider.8"
COMPLETIONS = {
    "bash": "share/bash-completion/completions/outrider",
    "zsh": "share/zsh/site-functions/_outrider",
    "fish": "share/fish/vendor_completions.d/outrider.fish",
}


def files_below(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def build_directory():
    directory = binary().resolve().parents[1]
    if not (directory / "meson-private").is_dir():
        pytest.skip("the binary stands in no build directory")
    return directory


@pytest.fixture(scope="module")
def installed(build_directory, tmp_path_factory):
    """The prefix below DESTDIR."""
    root = tmp_path_factory.mktemp("installed")
    result = tools.run("meson", "install", "--no-rebuild", "-C", build_directory, "--destdir", root)
    assert result.code == 0, result
    options = tools.run("meson", "introspect", "--buildoptions", build_directory).text
    prefix = next(row["value"] for row in yaml.safe_load(options) if row["name"] == "prefix")
    return root / prefix.lstrip("/")


# ---- meson install -------------------------------------------------------------------------------


def test_meson_installs_what_a_user_needs_and_nothing_else(installed):
    doc = "share/doc/outrider"
    wanted = {
        "bin/outrider", OPTION_PAGE, COMMAND_PAGE, *COMPLETIONS.values(),
        f"{doc}/README.md", f"{doc}/CHANGELOG.md", f"{doc}/LICENSE",
        f"{doc}/examples/outrider.yaml", f"{doc}/examples/minimal.yaml",
    }  # fmt: skip
    wanted |= {
        f"lib/systemd/system/{unit.name}"
        for unit in (ROOT / "config").glob("outrider.s*")
    }
    wanted |= {f"{doc}/docs/{name}" for name in files_below(ROOT / "docs")}
    assert files_below(installed) == wanted
    result = tools.run(installed / "bin/outrider", "--version")
    assert result.code == 0 and result.text.startswith("outrider "), result


def test_installed_unit_starts_the_installed_program(installed, build_directory):
    unit = (installed / "lib/systemd/system/outrider.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", unit, re.M).group(1)
    assert str(installed).endswith(program.removesuffix("/bin/outrider"))
    assert (installed / "bin" / program.rpartition("/")[2]).exists()


# ---- manual pages --------------------------------------------------------------------------------


def options_of(page):
    """Dotted name of each option of the page to what is said of it."""
    options = {}
    path = ""
    for line in page.splitlines():
        if line.startswith(".Sh"):
            path = ""
        elif match := re.match(r"\.Ss (\S+)$", line):
            path = match.group(1)
            options[path] = ""
            name = path
        elif match := re.match(r"\.It Cm (\w+) : Ar (.*)", line):
            name = f"{path}.{match.group(1)}"
            options[name] = match.group(2) + "\n"
        elif path:
            options[name] += line + "\n"
    return options


@pytest.fixture(scope="module")
def options(installed):
    return options_of((installed / OPTION_PAGE).read_text())


@pytest.mark.parametrize("page", [OPTION_PAGE, COMMAND_PAGE])
def test_manual_page_is_well_formed(installed, page):
    lint = tools.run("mandoc", "-T", "lint", "-W", "warning", installed / page)
    assert lint.code == 0 and not lint.text, lint
    if shutil.which("man"):
        words = ["--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"]
        other = tools.run("man", *words, installed / page)
        assert other.code == 0 and not other.errors, other
    shown = re.sub(r".\x08", "", tools.run("mandoc", "-T", "utf8", installed / page).text)
    assert shown.startswith("OUTRIDER") and "@" not in shown and "SEE ALSO" in shown
    assert tools.run(installed / "bin/outrider", "--version").text.strip() in shown


def names_in(value, path=""):
    """Dotted names of what a file gives; lists and names of one's choice count as nothing."""
    if isinstance(value, list):
        for item in value:
            yield from names_in(item, path)
    elif isinstance(value, dict) and path == "origins":
        for item in value.values():
            yield from names_in(item, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = f"{path}.{key}".lstrip(".")
            yield name, inner
            yield from names_in(inner, name)


def test_manual_page_has_the_options_of_the_reference(options):
    """Whose completeness a unit test watches; here, that the page is not that of another table."""
    reference = (ROOT / "config/outrider.yaml").read_text()
    said = dict(names_in(yaml.load(reference, yaml.BaseLoader)))
    assert len(said) > 50 and said.keys() <= options.keys()
    for name in options:
        assert re.search(rf"\b{name.rpartition('.')[2]}:", reference), name
    for name, value in said.items():
        default = re.search(r"^Default:\n\.Cm (.*) \.$", options[name], re.M)
        if default and name != "routes.host":
            assert default.group(1).replace("\\-", "-") == value, name


def test_manual_page_tells_the_kind_of_every_option(options):
    for name, text in options.items():
        assert not re.search(r"(^|Type: |, each: )value\b", text), f"{name}: a kind without a word"


def test_variables_of_the_manual_page_are_known(options, command):
    given = {}
    for name, text in options.items():
        if match := re.search(r"^Variable:\n\.Ev (\w+) \.$", text, re.M):
            default = re.search(r"^Default:\n\.Cm (.*) \.$", text, re.M)
            given[match.group(1)] = default.group(1).replace("\\-", "-") if default else ""
    assert given["OUTRIDER_PUSH_MAX_OPEN"] == "32" and len(given) > 50
    environment = {name: value for name, value in given.items() if value}
    result = command("check", "--origin", "http://127.0.0.1:1", env=environment)
    assert result.code == 0, result
    assert f"# {next(iter(environment))}" in result.text
    # Without a default there is a list, for which the name alone is asked.
    for name in given.keys() - environment.keys():
        result = command("check", "--origin", "http://127.0.0.1:1", env={name: ""})
        assert "unknown" not in result.errors, result


# ---- the command line ----------------------------------------------------------------------------


@pytest.fixture
def words(command):
    """The flags and verbs of --help."""
    text = command("--help").text
    flags = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z]\b)", text)) | {"-h", "--config"}
    return flags, set(re.findall(r"^  outrider ([a-z]+)", text, re.M))


def test_manual_page_has_the_flags_and_verbs(installed, words):
    flags, verbs = words
    page = (installed / COMMAND_PAGE).read_text().replace("\\-", "-")
    described = set(re.findall(r"(?:^\.It|,) Fl (\S+)", page, re.M))
    described |= set(re.findall(r"^\.It Fl .*, Fl (\S+)", page, re.M))
    assert {"-" + name for name in described} == flags
    assert set(re.findall(r"^\.It Cm (\w+)$", page, re.M)) == verbs


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_completion_has_the_flags_and_verbs(installed, words, shell):
    flags, verbs = words
    text = (installed / COMPLETIONS[shell]).read_text()
    if shell == "fish":
        offered = {"--" + name for name in re.findall(r"^complete .* -l ([a-z-]+)", text, re.M)}
        offered |= {"-" + name for name in re.findall(r"^complete .* -s ([a-z])", text, re.M)}
    else:
        code = "".join(line for line in text.splitlines(True) if not line.strip().startswith("#"))
        code = re.sub(r"_arguments -s -S|mapfile -t|(compopt|compgen|complete) -.*? ", "", code)
        offered = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[ch]\b)", code))
    assert offered == flags
    for verb in verbs:
        assert re.search(rf"\b{verb}\b", text), verb


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_completion_is_good_shell(installed, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    result = tools.run(shell, "-n", installed / COMPLETIONS[shell])
    assert result.code == 0 and not result.errors, result


BASH = """
source "$1"; shift
COMP_WORDS=(outrider "$@"); COMP_CWORD=$#
_outrider
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    "line, offered",
    [
        (["ch"], ["check"]),
        (["--work"], ["--workers"]),
        (["check", "--or"], ["--origin", "--origin-timeout"]),
        (["check", "--cl"], []),
        (["explain", "--cl"], ["--client"]),
        (["explain", "--client", "br"], ["browser"]),
        (["explain", "--client", "=", "pu"], ["push"]),
        (["-c", "exam"], ["example.yaml"]),
        (["--config", "="], ["example.yaml"]),
        (["--key", "example.y"], ["example.yaml"]),
        (["--workers", ""], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_completes(installed, tmp_path, line, offered):
    (tmp_path / "example.yaml").touch()
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", installed / COMPLETIONS["bash"], *line],
        cwd=tmp_path, capture_output=True, text=True, timeout=10,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (offered, "")


# ---- the Debian package --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for tool in ("dh", "dpkg-buildpackage"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    output = tmp_path_factory.mktemp("package")
    result = tools.run(ROOT / "scripts/package-deb", output, limit=240)
    assert result.code == 0, result
    (made,) = [path for path in output.glob("*.deb") if "dbgsym" not in path.name]
    return made


def field(package, name):
    return tools.run("dpkg-deb", "--field", package, name).text.strip()


def test_package_is_what_the_sources_say(package, command):
    version = command("--version").text.split()[1]
    assert package.name.startswith(f"outrider_{version}-1_")
    assert field(package, "Version") == f"{version}-1"
    needs = field(package, "Depends")
    assert "libssl3" in needs and "libnghttp2" in needs and "libllhttp" not in needs
    listed = tools.run("dpkg-deb", "--contents", package).text
    rows = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    assert {row[0] for row in rows} == {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"}
    assert [row[5] for row in rows if row[0] == "-rwxr-xr-x"] == ["./usr/bin/outrider"]


def test_package_pleases_lintian(package):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    result = tools.run("lintian", "--allow-root", "--fail-on", "error,warning", package)
    assert result.code == 0 and not result.text, result


class Root:
    """An empty root of dpkg, whose packages' scripts run outside of it (DPKG_ROOT)."""

    def __init__(self, path):
        self.path = path
        for folder in ("info", "updates"):
            (path / "var/lib/dpkg" / folder).mkdir(parents=True)
        (path / "var/lib/dpkg/status").touch()

    def dpkg(self, *words):
        result = tools.run(
            "dpkg", f"--root={self.path}", "--force-script-chrootless", "--force-depends",
            "--log=/dev/null", *words,
        )  # fmt: skip
        assert result.code == 0, result

    def leftovers(self):
        return [name for name in files_below(self.path) if "outrider" in name]


def test_package_installs_upgrades_and_leaves(package, tmp_path):
    if os.geteuid() != 0 or shutil.which("systemd-sysusers") is None:
        pytest.skip("needs root and systemd-sysusers")
    root = Root(tmp_path / "root")
    config = root.path / "etc/outrider/config.yaml"

    root.dpkg("--install", package)
    program = root.path / "usr/bin/outrider"
    assert tools.run(program, "--version").code == 0
    assert tools.run(program, "check", "-c", config).code == 0
    assert re.search(r"^outrider:", (root.path / "etc/passwd").read_text(), re.M)
    assert files_below(root.path / "etc/systemd") == set()  # not enabled
    units = root.path / "usr/lib/systemd/system"
    unit = (units / "outrider.service").read_text()
    unit += (units / "outrider.service.d/package.conf").read_text()
    assert re.findall(r"^(?:ExecStart|User)=(.*)", unit, re.M) == [
        "/usr/bin/outrider -c /etc/outrider/config.yaml",
        "outrider",
    ]
    page = gzip.decompress((root.path / "usr" / f"{OPTION_PAGE}.gz").read_bytes()).decode()
    assert "push.max_open" in options_of(page)

    mine = config.read_text() + "# mine\n"
    config.write_text(mine)
    root.dpkg("--install", package)
    assert config.read_text() == mine

    state = root.path / "var/lib/outrider/learned"
    state.parent.mkdir()
    state.touch()
    root.dpkg("--remove", "outrider")
    assert not program.exists() and config.read_text() == mine and state.exists()

    root.dpkg("--purge", "outrider")
    assert root.leftovers() == []
