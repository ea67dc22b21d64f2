# SPDX-License-Identifier: Apache-2.0
"""What README and docs/ name is there: reasons, faults, options, metrics, commands, links."""

import os
import pathlib
import re

import pytest
import yaml

import tools

ROOT = pathlib.Path(os.environ["OUTRIDER_ROOT"])
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SECURITY = ROOT / "SECURITY.md"
PAGES = [*DOCS, ROOT / "proxy/README.md", SECURITY]
TROUBLE = ROOT / "docs/troubleshooting.md"
REFERENCE = ROOT / "config/outrider.yaml"
pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
docs = pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(text, *kinds):
    """Contents of the fenced blocks of these kinds."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [content for kind, content in fenced if kind in kinds]


def prose(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def codes(text):
    """What stands in backticks, lines joined."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(text))]


def tables(heading):
    """All rows of the tables below a heading of the page on troubles, as lists of cells."""
    text = TROUBLE.read_text()
    section = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert section, f"no heading {heading!r}"
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in rows if row[0].strip("|- ") and row[0].startswith("`")]


def names(rows):
    found = [row[0].strip("`") for row in rows]
    assert len(found) == len(set(found)), "a row stands twice"
    return found


def listed(header, macro):
    """Rows of an X macro in a header: (NAME, name, the rest as text)."""
    text = (ROOT / "include" / header).read_text()
    body = re.search(rf"#define {macro}\(X\)(.*?[^\\])\n\n", text, re.S)[1]
    return re.findall(r'\bX\((\w+), *"(\w+)"((?:[^()]|\([^()]*\))*)\)', body)


# --- the tables


def test_every_reason_is_explained():
    rows = tables("The reasons")
    reasons = {name: rest for _, name, rest in listed("push/push_plan.h", "PUSH_REASON_LIST")}
    assert sorted(names(rows)) == sorted(reasons)
    for name, hinted, *rest in rows:
        may_be = "true" in reasons[name.strip("`")]
        assert hinted == ("yes" if may_be else "no"), name
        assert len(rest) == 2 and all(rest), name


def test_every_fault_is_explained():
    rows = tables("Error responses")
    faults = {name: rest for _, name, rest in listed("base/fault.h", "FAULT_LIST")}
    faults.pop("none")
    assert sorted(names(rows)) == sorted(faults)
    for name, sees, *rest in rows:
        status = re.match(r", *(\d+)", faults[name.strip("`")])[1]
        if len(rest) == 2 and name not in ("`draining`", "`client_gone`", "`client_reset`"):
            assert status in sees or status == "0", name
        assert all(rest), name


def test_every_warning_is_explained():
    """Of what may be said in the error log a piece stands in the table, and nothing else does."""
    fragments = names(tables("What the error log says"))
    sources = "".join(path.read_text() for path in (ROOT / "proxy").rglob("*.c"))
    for fragment in fragments:
        assert fragment in sources, fragment
    said = re.findall(r'log_(?:warn|error)\(\s*"\w+",\s*(?:"-"|[^",]+),\s*"([^"]*)"', sources)
    assert len(said) > 10
    told_before = "%.*s"  # what the configuration's reader found
    for text in said:
        found = text == told_before or any(fragment in text for fragment in fragments)
        assert found, f"no row for {text!r}"


# --- options


def reference():
    """The reference as it is read, and the names of options that stand there as comments."""
    text = REFERENCE.read_text()
    return yaml.safe_load(text), set(re.findall(r"^ *# +(?:- )?(\w+):(?: |$)", text, re.M))


def is_option(path):
    tree, commented = reference()
    for word in path:
        if isinstance(tree, list):
            tree = tree[0]
        if not isinstance(tree, dict) or word not in tree:
            return word in commented and word == path[-1]
        tree = tree[word]
        if path[0] == "origins" and word == "origins":
            tree = tree["app"]
    return True


def all_options():
    tree, commented = reference()

    def walk(node):
        if isinstance(node, list):
            for item in node:
                yield from walk(item)
        elif isinstance(node, dict):
            for key, value in node.items():
                yield key
                yield from walk(value)

    return {*walk(tree), *commented}


def test_what_is_no_option():
    assert is_option(["limits", "head"]) and is_option(["origins", "max_idle"])
    assert is_option(["origins", "host_header"]) and is_option(["listeners", "tls"])
    assert not is_option(["limits", "heads"]) and not is_option(["limit", "head"])


FILE_ENDINGS = "yaml yml json md css js mjs c h py crt key service socket pem html sock conf org"


@pages
def test_options_in_dots(page):
    for code in codes(page.read_text()):
        if re.fullmatch(r"[a-z_]+(\.[a-z0-9_]+)+", code):
            words = code.split(".")
            assert words[-1] in FILE_ENDINGS.split() or is_option(words), code


@docs
def test_options_in_braces(page):
    """`learn: {query: on}`"""
    known = all_options()
    for code in codes(page.read_text()):
        if match := re.fullmatch(r"([a-z_]+): *\{(.*)\}", code):
            keys = re.findall(r"(\w+):(?: |$)", match[2])
            assert match[1] in known and keys, code
            section = match[1] if is_option([match[1]]) else None
            for key in keys:
                assert is_option([section, key]) if section else key in known, code


@docs
def test_variables(page):
    options = {"_".join(word).upper() for word in dotted()}
    special = {"ORIGIN", "LISTEN", "CERT", "KEY", "BINARY", "ROOT", "LINK", "SECTION_KEY"}
    foreign = {"SERVICE_HOST", "PORT_443_TCP"}
    for name in re.findall(r"\bOUTRIDER_([A-Z0-9_]*[A-Z0-9])\b(?!_\*)", page.read_text()):
        assert name in options | special | foreign, f"OUTRIDER_{name}"


def dotted():
    tree, _ = reference()
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from ((key, name) for name in value)
        else:
            yield (key,)


@docs
def test_configurations_are_good(page, command, certs, tmp_path):
    """Each piece of a configuration, with what it leaves out."""
    sections = reference()[0]
    for number, block in enumerate(blocks(page.read_text(), "yaml")):
        config = yaml.safe_load(block)
        if not isinstance(config, dict) or not set(config) <= set(sections):
            continue  # somebody else's, such as Prometheus'
        text = block.replace("/etc/outrider/tls.crt", certs.certificate)
        text = text.replace("/etc/outrider/tls.key", certs.key)
        for line in (
            "listeners: [{address: 'http://127.0.0.1:0'}]",
            "origins: {app: {url: 'http://127.0.0.1:1'}}",
            "routes: [{origin: app}]",
        ):
            if line.partition(":")[0] not in config:
                text += line + "\n"
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        result = command("check", "-c", path)
        assert result.code == 0, f"{result}\n{text}"


@docs
def test_words_of_the_program(page):
    """`max_per_page`, `client_reset`: whatever is written like an identifier is in the sources."""
    folders = ("proxy", "include", "config", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    words = {"no_new_privs"}  # the kernel's
    for path in files:
        words.update(re.findall(r"\w+", path.read_text(errors="replace")))
    for code in codes(page.read_text()):
        if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", code) and not code.startswith("outrider_"):
            assert code in words, code


# --- commands, endpoints, metrics


@pytest.fixture(scope="module")
def usage():
    text = tools.run(os.environ["OUTRIDER_BINARY"], "--help").text
    verbs = set(re.findall(r"^  outrider ([a-z]+)\b", text, re.M))
    assert {"check", "explain", "health"} <= verbs
    return verbs, set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", text))


def commands(text):
    lines = "\n".join(blocks(text, "", "sh")).splitlines()
    lines = [line.removeprefix("$ ").split(" #")[0] for line in lines] + codes(text)
    return [line for line in lines if re.match(r"(\S*/)?outrider( [a-z<-]|$)", line)]


@pages
def test_commands_are_known(page, usage):
    verbs, flags = usage
    for line in commands(page.read_text()):
        _, *words = re.split(r"[ \[\]|]+", line.split(" && ")[0])
        if words and re.fullmatch(r"[a-z]+", words[0]):
            assert words[0] in verbs, line
        for word in words:
            if word.startswith("-"):
                assert re.split("=", word)[0] in flags, line


ENDPOINT = re.compile(r"(?:(?<=GET )|(?<=POST )|(?<=:9901)|(?<=:9902))(/[a-z./]*)")


@pages
def test_endpoints_are_there(page):
    source = (ROOT / "proxy/admin/admin.c").read_text()
    endpoints = set(re.findall(r'^    \{"(/[^"]*)", \.', source, re.M))
    assert {"/", "/live", "/metrics"} <= endpoints
    for path in ENDPOINT.findall(page.read_text()):
        assert (path.rstrip(".,/") or "/") in endpoints, path


@pytest.fixture(scope="module")
def metrics():
    """Names of all samples of /metrics, also of those that have none yet."""
    source = (ROOT / "proxy/admin/admin_metrics.c").read_text()
    names = {"outrider_" + name for name in re.findall(r'begin\(w, PREFIX "(\w+)"', source)}
    names.update(re.findall(r'begin\(w, "(process_\w+)"', source))
    body = re.search(
        r"#define METRIC_LIST\(X\)(.*?)\n\n", (ROOT / "include/base/metrics.h").read_text(), re.S
    )[1]
    for kind, name in re.findall(r'X\(\w+, (\w+), [^"]*?"(\w+)"', body):
        ends = ("_count", "_sum", "_bucket") if kind in ("TIMES", "SIZES") else ()
        names.update("outrider_" + name + end for end in ("", *ends))
    assert {"outrider_build_info", "process_open_fds", "outrider_loop_lag_seconds_sum"} <= names
    return names


@pages
def test_metrics_are_there(page, metrics):
    for name in re.findall(r"\b((?:outrider|process)_[a-z0-9_]+)\b", page.read_text()):
        assert name in metrics, name


@docs
def test_labels_of_metrics_are_there(page, outrider, origin):
    """`outrider_limit_hits_total{limit="descriptors"}`, as the running program says it."""
    wanted = re.findall(r'\b(outrider_\w+)\{((?:\w+="[^"]*",?)+)\}', page.read_text())
    if not wanted:
        return
    proxy = outrider(origin, admin={"listen": "127.0.0.1:0"})
    said = list(proxy.metrics())
    for name, labels in wanted:
        lines = [line for line in said if line.startswith(name + "{")]
        for label in re.findall(r'\w+="[^"]*"', labels):
            assert any(label in line for line in lines), f"{name}{{{label}}}"


# --- links


def slug(heading):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors(path):
    return {slug(line) for line in re.findall(r"^#+ (.+)$", prose(path.read_text()), re.M)}


def test_slugs():
    assert slug("HTTP/1.1 clients") == "http11-clients"
    assert slug("What it does, and `why`") == "what-it-does-and-why"


@pages
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", " ".join(prose(page.read_text()).split())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_every_page_is_reached_from_the_door():
    text = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in text, page.name


# --- SECURITY.md


def security_rows(heading):
    """Cells of the rows of the first table below the heading."""
    section = SECURITY.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def texts_of_tests():
    """Everything in which a test may stand, or the number of a record."""
    folders = [ROOT / "test/e2e", ROOT / "test/data/translation", ROOT / "test/fuzz"]
    paths = [path for folder in folders for path in folder.glob("*.*") if path.is_file()]
    return "\n".join(path.read_text() for path in paths if path.suffix in (".py", ".yaml", ".c"))


RECORD = re.compile(r"CVE-\d{4}-\d{4,}")


def test_security_names_tests_that_exist():
    """Each class of attack has a test, and each test that is named is there."""
    sources = texts_of_tests()
    there = set(re.findall(r"^def (test_\w+)", sources, re.M))
    rows = security_rows("Attacks and the tests that cover them")
    assert len(rows) >= 30
    for row in rows:
        assert len(row) == 4, row
        named = re.findall(r"`(test_\w+)`", row[3])
        assert named, f"no test for {row[0]}"
        assert set(named) <= there, set(named) - there


def test_security_records_stand_in_their_tests():
    """As CVE-2023-44487, or cve_2023_44487 in a test's name."""
    texts = texts_of_tests()
    known = {name.upper().replace("_", "-") for name in re.findall(r"cve_\d{4}_\d{4,}", texts)}
    known |= set(RECORD.findall(texts))
    elsewhere = {"CVE-2026-55204"}  # no memory: outrider ends, and test_720_memory is about the time before
    for row in security_rows("Attacks and the tests that cover them"):
        missing = set(RECORD.findall(row[1])) - known - elsewhere
        assert not missing, f"no test names {missing}"
    named = set(RECORD.findall(SECURITY.read_text()))
    assert known <= named, f"tested, but not in the table: {known - named}"


def test_security_defaults_are_those_of_the_reference():
    tree, _ = reference()
    labels = {label for _, label, _ in listed("base/metrics.h", "METRIC_LIMIT_LIST")}
    rows = security_rows("Defaults and why")
    assert len(rows) > 20
    for option, default, why, limit in rows:
        section, name = option.strip("`").split(".")
        values = tree[section]["app"] if section == "origins" else tree[section]
        assert str(values[name]) == default, option
        assert why and limit.strip("`") in {*labels, "-"}, option


def test_security_prints_what_an_attacker_pays():
    """The tables of scripts/abuse-cost."""
    text = SECURITY.read_text()
    assert "| honest requests, HTTP/2, over one connection |" in text
    assert "| idle connection, HTTP/2 over TLS |" in text
