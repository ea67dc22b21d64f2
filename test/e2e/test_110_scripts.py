# SPDX-License-Identifier: Apache-2.0
"""The scripts that judge the others: each rule of theirs is broken once."""

import json
import pathlib
import shutil
import sys

import pytest

import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(ROOT / "test/cost"))

import counts  # noqa: E402

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"

# A tree that keeps every rule.
GOOD = {
    "proxy/meson.build": "'base/a.c' 'http/b.c' 'net/tls_x.c' 'front/h2_y.c' 'front/a.c' 'cellar/c.c'",
    "test/unit/meson.build": "'a'",
    "test/e2e/meson.build": "",
    "test/fuzz/meson.build": "['a']",
    "test/fuzz/fuzz_a.c": "",
    "proxy/main.c": LICENCE + '#include <uv.h>\n#include "front/y.h"\n',
    "proxy/base/a.c": LICENCE + '#include "base/a.h"\n#include <stdio.h>\n',
    "proxy/http/b.c": LICENCE + '#include "base/a.h"\n#include "http_impl.h"\n',
    "proxy/http/http_impl.h": LICENCE,
    "proxy/net/tls_x.c": LICENCE + "#include <openssl/ssl.h>\n#include <uv.h>\n",
    "proxy/front/h2_y.c": LICENCE + '#include <nghttp2/nghttp2.h>\n#include "front/y.h"\n',
    "include/base/a.h": LICENCE,
    "include/front/y.h": LICENCE,
    "include/net/n.h": LICENCE + "#include <uv.h>\n",
    "test/unit/test_a.c": LICENCE,
}

BROKEN = [
    ("proxy/base/a.c", '#include "http/nowhere.h"', "no such header"),
    ("proxy/base/a.c", '#include "front/y.h"', "base may not use front"),
    ("proxy/http/b.c", '#include "front/y.h"', "http may not use front"),
    ("include/base/a.h", '#include "net/n.h"', "base may not use net"),
    ("include/base/a.h", '#include "a_impl.h"', "may not include a private one"),
    ("proxy/base/a.c", '#include "http_impl.h"', "no such private header"),
    ("proxy/base/a.c", "#include <uv.h>", "only (proxy|include)"),
    ("include/front/y.h", "#include <nghttp2/nghttp2.h>", "only proxy/front/h2_"),
    ("include/net/n.h", "  #  include <openssl/ssl.h>", "only proxy/net/tls_"),
    ("proxy/main.c", "#include <openssl/ssl.h>", "only proxy/net/tls_"),
    ("proxy/http/b.c", "#include <llhttp.h>", "only proxy/http/h1_(reader"),
    ("proxy/base/a.c", "#include <yaml.h>", "only proxy/config/config_yaml"),
    ("proxy/cellar/c.c", "", "cellar is no floor"),
    ("proxy/front/a.c", "", "the name is taken"),
    ("proxy/base/unlisted.c", "", "not listed in proxy/meson.build"),
    ("test/unit/test_b.c", "", "not listed in test/unit/meson.build"),
    ("test/e2e/test_b.py", "", "not listed in test/e2e/meson.build"),
    ("test/fuzz/fuzz_b.c", "", "not listed in test/fuzz/meson.build"),
]


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def check(script, *args):
    return tools.run(sys.executable, SCRIPTS / script, *args)


def test_floors_accepts_a_good_tree(tmp_path):
    write_tree(tmp_path, GOOD)
    result = check("check-floors", tmp_path)
    assert result.code == 0, result


@pytest.mark.parametrize("name, line, message", BROKEN)
def test_floors_refuses(tmp_path, name, line, message):
    write_tree(tmp_path, {**GOOD, name: GOOD.get(name, "") + line + "\n"})
    result = check("check-floors", tmp_path)
    assert result.code == 1 and message in result.text, result
    assert result.text.count("\n") == 2, result  # this one problem, and the sum


def test_floors_refuses_an_empty_tree(tmp_path):
    write_tree(tmp_path, {name: "" for name in GOOD if name.endswith("meson.build")})
    assert check("check-floors", tmp_path).code == 1


LONG = "static int f(void) {\n" + "    f();\n" * 60 + "    return 0;\n}\n"


@pytest.mark.parametrize(
    "text, message",
    [
        (LICENCE + "int a;\n", None),
        ("int a;\n", "the first line"),
        (LICENCE + "// " + "x" * 98 + "\n", "101 columns"),
        (LICENCE + LONG, "a function of 61 lines"),
        (LICENCE + "int a;\n" * 500, "501 lines"),
    ],
)
def test_format_judges(tmp_path, text, message):
    shutil.copy(SCRIPTS.parent / ".clang-format", tmp_path)
    write_tree(tmp_path, {"proxy/base/a.c": text})
    result = check("check-format", tmp_path)
    assert result.code == (1 if message else 0), result
    assert message is None or message in result.text, result


def test_format_finds_what_clang_format_would_change(tmp_path):
    shutil.copy(SCRIPTS.parent / ".clang-format", tmp_path)
    write_tree(tmp_path, {"proxy/base/a.c": LICENCE + "int  a ;\n"})
    assert "a.c:2: not formatted" in check("check-format", tmp_path).text


def test_format_fixes(tmp_path):
    shutil.copy(SCRIPTS.parent / ".clang-format", tmp_path)
    ruler = "// --- the end " + "-" * 98 + "\n"
    words = "// " + "word " * 19 + "longer\n// and more\n"
    write_tree(tmp_path, {"proxy/base/a.c": LICENCE + ruler + words + "int  a ;\n"})
    assert check("check-format", "--fix", tmp_path).code == 0
    fixed = (tmp_path / "proxy/base/a.c").read_text()
    words = "// " + "word " * 18 + "word\n// longer and more\n"
    assert fixed == LICENCE + ruler[:100] + "\n" + words + "int a;\n"
    assert check("check-format", "--fix", tmp_path).code == 0
    assert fixed == (tmp_path / "proxy/base/a.c").read_text()


@pytest.mark.parametrize(
    "text, code", [("#include <stddef.h>\nsize_t *f;\n", 0), ("size_t *f;\n", 1)]
)
def test_headers_must_compile_alone(tmp_path, text, code):
    write_tree(tmp_path, {"include/base/a.h": "#ifndef A\n#define A\n" + text + "#endif\n"})
    assert check("check-headers", tmp_path, "--", "cc", "-Werror").code == code


CMOCKA = "[       OK ] a\n[  FAILED  ] b\n[  ERROR   ] --- 1 != 2\n[  FAILED  ] 1 test(s)\n[  FAILED  ] b\n"
COUNTS = [
    ("unit", "OK", "[       OK ] a\n[       OK ] b\n", (2, 0)),
    ("unit", "FAIL", CMOCKA, (1, 1)),
    ("unit", "FAIL", "[       OK ] a\nERROR: AddressSanitizer: leak\n", (1, 1)),
    ("unit", "TIMEOUT", "", (0, 1)),
    ("unit", "OK", "", (0, 1)),
    ("e2e", "OK", "...\n3 passed, 1 skipped in 0.10s\n", (3, 0)),
    ("e2e", "FAIL", "1 failed, 3 passed, 2 errors in 0.10s\n", (3, 3)),
    ("e2e", "FAIL", "no tests ran in 0.01s\n", (0, 1)),
    ("style", "OK", "", (1, 0)),
    ("cost", "SKIP", "SKIPPED cost: no counts\n", (0, 0)),
    ("style", "FAIL", "", (0, 1)),
]


@pytest.mark.parametrize("suite, result, text, counts", COUNTS)
def test_counts_single_tests(tmp_path, suite, result, text, counts):
    entry = {"name": f"outrider:{suite} / x", "result": result, "stdout": text}
    (tmp_path / "log.json").write_text(json.dumps(entry) + "\n")
    done = check("count-tests", tmp_path / "log.json")
    assert done.text.splitlines()[-1] == "{} passed, {} failed".format(*counts)
    assert done.code == (1 if counts[1] or not counts[0] else 0)


def test_counts_nothing_as_a_failure(tmp_path):
    done = check("count-tests", tmp_path / "none.json")
    assert (done.code, done.text) == (1, "0 passed, 0 failed\n")


def test_tells_what_is_skipped_or_noted(tmp_path):
    lines = ["SKIPPED cost: no counts", "NOTE cost: less", "else"]
    entry = {"name": "outrider:cost / x", "result": "OK", "stdout": "\n".join(lines)}
    (tmp_path / "log.json").write_text(json.dumps(entry) + "\n")
    done = check("count-tests", tmp_path / "log.json")
    assert done.text.splitlines() == [*lines[:2], "1 passed, 0 failed"]


HERE = {"made_with": {"gcc": "12"}, "counts": {"request": 1000, "pushes": 10_000}}
STORED = {"tolerance_percent": {"request": 2, "pushes": 3}, "systems": {"here": HERE}}
COSTS = [
    ({"request": 1020, "pushes": 9_700}, 0, 0),
    ({"request": 1021, "pushes": 10_000}, 1, 0),
    ({"request": 1000, "pushes": 10_301}, 1, 0),
    ({"request": 979, "pushes": 10_000}, 0, 1),  # said, and no failure
    ({"request": 1021, "pushes": 9_000}, 1, 1),
    ({"request": 1000}, 1, 0),
    ({"request": 1000, "pushes": 10_000, "handshake": 1}, 1, 0),  # without a count to compare with
]


@pytest.mark.parametrize("found, failures, better", COSTS)
def test_costs_are_judged(found, failures, better):
    lines, complaints, notes = counts.compare(STORED, "here", found)
    assert (len(complaints), len(notes)) == (failures, better), complaints + notes
    assert len(lines) == 1 + len(set(found) & {"request", "pushes"})


def test_costs_are_kept_by_system(tmp_path):
    file = tmp_path / "counts.json"
    stored = json.loads(json.dumps(STORED))
    counts.write(stored, "there", {"request": 900}, {"gcc": "13"}, file)
    again = counts.read(file)
    assert again["systems"]["here"] == HERE
    assert counts.compare(again, "there", {"request": 900})[1:] == ([], [])
    assert counts.differences(again, "there", {"gcc": "14"}) == ["gcc is 14 and was 13"]


def test_certificates_hold_the_names(make_certs):
    made = make_certs("*.example.org", "10.1.2.3")
    text = tools.run("openssl", "x509", "-in", made.certificate, "-noout", "-text").text
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:*.example.org", "10.1.2.3"):
        assert name in text
    result = tools.run("openssl", "verify", "-CAfile", made.ca, made.certificate)
    assert result.code == 0, result
