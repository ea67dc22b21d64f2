# SPDX-License-Identifier: Apache-2.0
"""The admin listener: what it shows, to whom, and what it does when it is told to."""

import http.client
import json
import pathlib
import re
import socket
import time

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import tools
from origin import head, respond, send, wait
from pushing import NAVIGATION, STYLE, hints, links, page, visit

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/metrics.md"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
ANY = "127.0.0.1:0"
SAMPLE = re.compile(r"(?P<name>\w+)(\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"<{self.status} {self.fields}\n{self.text[:2000]}>"


class Admin:
    """The admin listener of an outrider, or the one for probes."""

    def __init__(self, proxy, name="admin", host="127.0.0.1"):
        url = proxy.wait_stderr(name + r" url=http://([^\s]*):(\d+)/")
        self.host, self.port = host, int(url[2])

    def ask(self, path, method="GET", source=None, body=None, **fields):
        """Field names are written with '_'."""
        source = (source, 0) if source else None
        conn = http.client.HTTPConnection(self.host, self.port, 20, source)
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            conn.request(method, path, body, fields)
            return Answer(conn.getresponse())
        finally:
            conn.close()

    def get(self, path, **options):
        answer = self.ask(path, **options)
        assert answer.status == 200, answer
        return answer

    def post(self, path, **options):
        return self.ask(path, "POST", **options)

    def stats(self):
        return json.loads(self.get("/stats.json").body)

    def numbers(self):
        """{"outrider_requests_total": {(("code", "2xx"), ("protocol", "http2")): 3.0}}"""
        found = {}
        for line in self.get("/metrics").text.splitlines():
            if not line.startswith("#"):
                match = SAMPLE.fullmatch(line)
                labels = tuple(sorted(LABEL.findall(match["labels"] or "")))
                assert labels not in found.setdefault(match["name"], {}), line
                found[match["name"]][labels] = float(match["value"])
        return found

    def number(self, name, **labels):
        return self.numbers()["outrider_" + name][tuple(sorted(labels.items()))]

    def wait_number(self, expected, name, **labels):
        wait_for(lambda: self.number(name, **labels) == expected, lambda: self.numbers())

    def learned(self):
        """{"localhost/": what is known of it}"""
        return {row["page"]: row for row in json.loads(self.get("/hints").body)["pages"]}


def wait_for(condition, describe=lambda: "", limit=10):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, describe()
        time.sleep(0.02)


@pytest.fixture
def administered(outrider, origin):
    """An outrider with an admin listener: (proxy, admin)."""

    def start(target=None, **options):
        proxy = outrider(target or origin, **{"admin": {"listen": ANY}, **options})
        return proxy, Admin(proxy)

    return start


# --- what it shows -----------------------------------------------------------------------------


def test_every_endpoint(administered):
    _, admin = administered()
    for path, kind, part in [
        ("/", "text/html; charset=utf-8", "<html"),
        ("/live", PLAIN, "live\n"),
        ("/ready", PLAIN, "ready\n"),
        ("/healthz", PLAIN, "ready\n"),
        ("/metrics", TEXT, "\noutrider_ready 1\n"),
        ("/stats.json", "application/json", '"state":"ready"'),
        ("/config", PLAIN, "listeners:\n"),
        ("/hints", "application/json", '"pages":['),
        ("/log", PLAIN, "info\n"),
    ]:
        answer = admin.get(path)
        assert answer.fields["content-type"] == kind
        assert part in answer.text
        assert answer.fields["cache-control"] == "no-store"
        assert answer.fields["x-content-type-options"] == "nosniff"
        only_head = admin.ask(path, "HEAD")
        assert only_head.status == 200 and only_head.body == b""
        assert only_head.fields["content-type"] == kind
        assert int(only_head.fields["content-length"]) > 0
        refused = admin.ask(path, "DELETE")
        assert refused.status == 405 and "GET, HEAD" in refused.fields["allow"]
    for path in ["/reload", "/drain", "/quitquitquit", "/shutdown", "/hints/forget"]:
        refused = admin.ask(path)
        assert (refused.status, refused.fields["allow"]) == (405, "POST")
    missing = admin.ask("/nothing")
    assert missing.status == 404 and "/metrics" in missing.text


def test_one_connection_and_both_protocols(administered):
    _, admin = administered()
    conn = http.client.HTTPConnection("127.0.0.1", admin.port, 20)
    for path in ["/live", "/stats.json", "/metrics", "/nothing", "/hints", "/ready"]:
        conn.request("GET", path)
        assert conn.getresponse().read()
    conn.close()
    url = f"http://127.0.0.1:{admin.port}"
    result = tools.nghttp(f"{url}/metrics", f"{url}/stats.json", f"{url}/", f"{url}/live")
    assert [row.status for row in result.rows] == [200] * 4, result


def test_the_dashboard_is_guarded(administered):
    _, admin = administered()
    fields = admin.get("/").fields
    assert fields["content-security-policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in fields["content-security-policy"]
    assert fields["x-frame-options"] == "DENY"
    assert fields["referrer-policy"] == "no-referrer"


def test_the_configuration_in_force(administered, command, tmp_path):
    _, admin = administered(limits={"streams": 77})
    text = admin.get("/config").text
    assert "streams: 77" in text
    path = tmp_path / "again.yaml"
    path.write_text(text)
    assert command("check", "-c", path).code == 0


# --- metrics -----------------------------------------------------------------------------------


def families_of(text):
    """{name: (type, {label names})} of the Prometheus text format."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families
            families[name] = (kind, set())
        elif not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            labels = {label for label, _ in LABEL.findall(match["labels"] or "")} - {"le"}
            own = re.sub("_(bucket|sum|count)$", "", match["name"])
            families[own if own in families else match["name"]][1].update(labels)
    return families


def documented():
    """The same, from the table in docs/metrics.md."""
    families = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| `\w+` \| (counter|gauge|histogram) \|", line):
            name, kind, labels, answers = [cell.strip() for cell in line.strip("|").split("|")]
            families[name.strip("`")] = (kind, answers, set(re.findall(r"`(\w+)`", labels)))
    return families


def busy(proxy):
    """Something of everything that can have labels."""
    visit(proxy, push=True)
    visit(proxy, "/nothing")


def test_promtool_has_nothing_to_say(administered, origin):
    page(origin, "/", STYLE)
    proxy, admin = administered()
    for _ in range(2):
        result = tools.run("promtool", "check", "metrics", data=admin.get("/metrics").body)
        assert (result.code, result.text, result.errors) == (0, "", ""), result
        busy(proxy)


def test_open_metrics(administered, origin):
    page(origin, "/", STYLE)
    proxy, admin = administered()
    busy(proxy)
    admin.wait_number(0, "connections", protocol="http2")
    answer = admin.get("/metrics", accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
    assert answer.fields["content-type"] == OPEN
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["outrider_build"].type == "info"
    assert families["outrider_requests"].type == "counter"
    assert families["outrider_request_duration_seconds"].unit == "seconds"
    # The same numbers in the same order, but for those that move.
    samples = re.sub(r"(?m)^#.*\n", "", answer.text).splitlines()
    others = re.sub(r"(?m)^#.*\n", "", admin.get("/metrics").text).splitlines()
    moving = re.compile("process_|outrider_(loop_lag|worker_silent)")
    assert [line.split(" ")[0] for line in samples] == [line.split(" ")[0] for line in others]
    assert [s for s in samples if not moving.match(s)] == [s for s in others if not moving.match(s)]


def test_the_table_in_the_docs_is_complete(administered, origin):
    page(origin, "/", STYLE)
    proxy, admin = administered()
    busy(proxy)
    shown, table = families_of(admin.get("/metrics").text), documented()
    assert list(shown) == list(table)
    for name, (kind, labels) in shown.items():
        assert (kind, labels) == (table[name][0], table[name][2]), name
        assert table[name][1].endswith((".", "?")), name


def test_the_expressions_in_the_docs(tmp_path):
    rows = re.findall(r"(?m)^\| [^|`]+ \| `([^`]+)` \|$", DOCUMENT.read_text(encoding="utf-8"))
    assert len(rows) > 5
    rules = [{"record": f"x:{number}", "expr": row} for number, row in enumerate(rows)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "docs", "rules": rules}]}))
    result = tools.run("promtool", "check", "rules", path)
    assert result.code == 0, result
    for name in re.findall(r"outrider_\w+", " ".join(rows)):
        assert re.sub("_(bucket|sum|count)$", "", name) in documented(), name


def test_many_origins_have_bounded_labels(outrider, origin):
    names = [f"o{number}" for number in range(40)]
    origin.on("*", respond(200))
    proxy = outrider(
        origins={name: {"url": origin.url} for name in names},
        routes=[{"path": f"/{name}", "origin": name} for name in names],
        admin={"listen": ANY},
    )
    admin = Admin(proxy)
    with proxy.h2() as client:
        for name in names:
            assert client.get(f"/{name}").status == 200
    numbers = admin.numbers()
    assert sum(map(len, numbers.values())) < 2000
    requests = numbers["outrider_origin_requests_total"]
    assert len(requests) == 32 and sum(requests.values()) == 40
    assert requests[(("origin", "(others)"),)] == 9


def test_numbers_move(administered, origin):
    page(origin, "/", STYLE, body=b"page!")
    origin.on("/a.css", respond(200, [("content-type", "text/css")], b"x" * 1000))
    origin.on("/gone", respond(404))
    origin.on("/upload", respond(201))
    proxy, admin = administered()
    with proxy.h2() as client:
        client.get("/")
        client.wait_pushes()
        assert client.get("/gone").status == 404
        assert client.get("/upload", method="POST", body=b"y" * 300).status == 201
        admin.wait_number(1, "connections", protocol="http2")
        assert admin.number("requests_total", protocol="http2", code="2xx") == 2
    admin.wait_number(0, "connections", protocol="http2")
    assert admin.number("connections_opened_total", protocol="http2") == 1
    assert admin.number("connections_opened_total", protocol="http1") == 0  # not the admin's own
    assert admin.number("tls_handshakes_total", result="full") == 1
    assert admin.number("requests_total", protocol="http2", code="2xx") == 2
    assert admin.number("requests_total", protocol="http2", code="4xx") == 1
    assert admin.number("request_methods_total", method="POST") == 1
    assert admin.number("request_duration_seconds_count") == 3
    assert admin.number("received_content_bytes_total") == 300
    assert admin.number("sent_content_bytes_total", kind="request") >= 5
    assert admin.number("sent_content_bytes_total", kind="push") == 1000
    assert admin.number("pushes_total", result="completed") == 1
    assert admin.number("push_content_bytes_total", result="delivered") == 1000
    assert admin.number("push_candidates_total", outcome="promised") == 1
    assert admin.number("origin_requests_total", origin="app") == 4
    assert admin.number("exchanges", kind="request") == 0
    [row] = admin.stats()["pages"]
    assert row["page"] == "localhost/" and row["visits"] == 1 and row["promised"] == 1
    assert row["completed"] == 1 and row["pushed_bytes"] == 1000


def test_refused_pushes_are_wasted(administered, origin):
    page(origin, "/", STYLE)
    half = send(head(200, [("content-type", "text/css"), ("content-length", "2000")]) + b"x" * 500)
    origin.on("/a.css", half, wait("never"))
    proxy, admin = administered()
    with proxy.h2() as client:
        client.get("/")
        client.wait_until(lambda: client.pushes and len(client.pushed("/a.css").body) == 500)
        client.reset(client.pushed("/a.css").stream_id)
        client.ping()
        admin.wait_number(1, "pushes_total", result="refused")
    origin.event("never").set()
    assert admin.number("push_content_bytes_total", result="wasted") == 500
    [row] = admin.stats()["pages"]
    assert row["refused"] == 1 and row["wasted_bytes"] == 500 and row["completed"] == 0


def test_faults_and_limits_are_counted(administered, origin, make_origin):
    gone = make_origin()
    proxy, admin = administered(gone, limits={"uri": 256})
    gone.stop()
    with proxy.h1() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[0] == 502
        client.send(b"GET /" + b"x" * 300 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[0] == 414
    admin.wait_number(1, "requests_total", protocol="http1", code="5xx")
    assert admin.number("exchange_faults_total", fault="origin_refused") == 1
    assert admin.number("origin_faults_total", origin="app") == 1
    admin.wait_number(1, "limit_hits_total", limit="uri")


def test_the_two_documents_agree(administered, origin):
    page(origin, "/", STYLE)
    proxy, admin = administered()
    busy(proxy)
    admin.wait_number(0, "connections", protocol="http2")
    stats, numbers = admin.stats(), admin.numbers()
    assert stats["state"] == "ready" and stats["live"] is True and stats["uptime_s"] >= 0
    assert len(stats["workers"]) == 2 and all(w["silent_ms"] < 5000 for w in stats["workers"])
    assert [row["name"] for row in stats["certificates"]] == ["localhost"]
    assert stats["certificates"][0]["not_after_s"] > time.time()
    assert stats["descriptors"]["open"] > 3 and stats["memory"]["resident"] > 1_000_000
    assert set(stats["bounds"]) == {"seconds", "bytes"}
    for name, value in stats["metrics"].items():
        if name == "loop_lag_seconds":
            continue
        if isinstance(value, int):
            assert numbers["outrider_" + name] == {(): value}
        elif "buckets" in value:
            assert numbers[f"outrider_{name}_count"] == {(): value["count"]}
            assert numbers[f"outrider_{name}_sum"] == {(): value["sum"]}
            assert sum(value["buckets"]) == value["count"]
            unit = "seconds" if name.endswith("_seconds") else "bytes"
            bounds = stats["bounds"][unit]
            assert len(value["buckets"]) == len(bounds) + 1
            below = numbers[f"outrider_{name}_bucket"]
            total = 0
            for bound, count in zip([*map(str, bounds), "+Inf"], value["buckets"]):
                total += count
                assert below[(("le", bound),)] == total, (name, bound)
        else:
            assert len(numbers.get("outrider_" + name, {})) == len(value)
            assert sum(numbers.get("outrider_" + name, {}).values()) == sum(value.values())
    assert stats["metrics"]["requests_total"]["http2 2xx"] == 2


# --- who may ask -------------------------------------------------------------------------------

REFUSED = [
    ({"host": "evil.example"}, 421),
    ({"host": "localhost.evil.example"}, 421),
    ({"sec_fetch_site": "cross-site"}, 403),
    ({"sec_fetch_site": "same-site"}, 403),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"x_forwarded_for": "127.0.0.1"}, 403),
    ({"x_forwarded_host": "localhost"}, 403),
    ({"x_real_ip": "127.0.0.1"}, 403),
    ({"via": "1.1 proxy"}, 403),
]


@pytest.mark.parametrize("fields,status", REFUSED)
def test_others_change_nothing(administered, fields, status):
    proxy, admin = administered()
    for path in ["/reload", "/drain", "/hints/forget", "/log?level=error"]:
        assert admin.post(path, **fields).status == status
    assert admin.get("/log").text == "info\n"
    assert admin.get("/ready").text == "ready\n"
    assert "asked to do" not in proxy.stderr
    assert admin.stats()["reloads"]["good"] == 0


def test_a_name_of_others_is_for_probes_only(administered):
    _, admin = administered()
    for path in ["/live", "/ready", "/healthz", "/metrics"]:
        assert admin.ask(path, host="outrider.default.svc").status == 200
    for path in ["/", "/stats.json", "/config", "/hints", "/log", "/nothing"]:
        answer = admin.ask(path, host="evil.example")
        assert answer.status == 421 and "localhost" in answer.text
        assert admin.ask(path, host=f"localhost:{admin.port}").status in (200, 404)


def test_the_dashboards_own_requests_pass(administered):
    _, admin = administered()
    answer = admin.post(
        "/log?level=info",
        host=f"localhost:{admin.port}",
        origin=f"http://localhost:{admin.port}",
        sec_fetch_site="same-origin",
    )
    assert answer.status == 200


def test_every_loopback_address_is_this_machine(administered):
    _, admin = administered()
    assert admin.post("/log?level=info", source="127.0.0.2").status == 200


def own_address():
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            return sock.getsockname()[0]
        except OSError:
            return None


@pytest.mark.skipif(own_address() is None, reason="this machine has no address but loopback")
def test_other_machines_may_look(administered):
    proxy, admin = administered(admin={"listen": "*:0"})
    other = Admin(proxy, host=own_address())
    for path in ["/", "/live", "/metrics", "/stats.json", "/config", "/hints"]:
        other.get(path)
    for path in ["/reload", "/drain", "/hints/forget", "/log?level=error"]:
        answer = other.post(path)
        assert answer.status == 403 and "this machine" in answer.text
    assert admin.get("/log").text == "info\n"


def test_a_listener_for_probes(outrider, origin):
    proxy = outrider(origin, admin={"listen": ANY, "probes": ANY})
    admin, probes = Admin(proxy), Admin(proxy, "probes")
    assert admin.port != probes.port
    for path in ["/live", "/ready", "/healthz", "/metrics"]:
        assert probes.ask(path, host="pod.example").status == 200
    for path in ["/", "/stats.json", "/config", "/hints", "/log"]:
        assert probes.ask(path).status == 404
        assert admin.ask(path).status == 200
    for path in ["/reload", "/drain", "/hints/forget", "/log?level=error"]:
        assert probes.post(path).status == 404
    assert probes.post("/live").status == 405


def test_a_unix_socket(outrider, origin, tmp_path):
    path = tmp_path / "admin.sock"
    proxy = outrider(origin, admin={"listen": f"unix:{path}"})
    proxy.wait_stderr(r"admin url=unix:")

    def ask(target, *words):
        return tools.curl(f"http://any.example{target}", "--unix-socket", path, *words)

    assert ask("/ready").body == b"ready\n"
    assert ask("/stats.json").status == 200
    answer = ask("/log?level=warn", "-X", "POST")
    assert (answer.status, answer.body) == (200, b"warn\n")
    proxy.stop()
    assert not path.exists()


# --- what it does ------------------------------------------------------------------------------


def test_reload(administered, origin, make_origin):
    other = make_origin()
    origin.on("*", respond(200, body=b"old"))
    other.on("*", respond(200, body=b"new"))
    proxy, admin = administered()
    path = pathlib.Path(proxy.arguments[1])
    good = path.read_text()

    def body():
        with proxy.h2() as client:
            return client.get("/").body

    path.write_text(good.replace(origin.url, other.url))
    answer = admin.post("/reload")
    assert (answer.status, answer.text) == (200, "reloaded\n")
    wait_for(lambda: body() == b"new")

    line = len(good.splitlines()) + 1
    path.write_text(good + "rotues: []\n")
    answer = admin.post("/reload")
    assert answer.status == 409
    assert re.search(rf"outrider.yaml:{line}:1: rotues: unknown key", answer.text), answer
    assert body() == b"new"
    reloads = admin.stats()["reloads"]
    assert reloads["good"] >= 1 and reloads["failed"] >= 1 and "rotues" in reloads["error"]
    assert admin.number("reloads_total", result="failed") == reloads["failed"]

    path.write_text(good)
    assert admin.post("/reload").status == 200
    wait_for(lambda: body() == b"old")
    wait_for(lambda: admin.stats()["reloads"]["error"] == "")


def test_reload_without_a_file(outrider, origin):
    words = ["--origin", origin.url, "--listen", "http://127.0.0.1:0"]
    proxy = outrider(arguments=words, env={"OUTRIDER_ADMIN_LISTEN": ANY})
    admin = Admin(proxy)
    for _ in range(2):
        answer = admin.post("/reload")
        assert (answer.status, answer.text) == (200, "reloaded\n")
    wait_for(lambda: admin.stats()["reloads"]["good"] == 2)
    assert admin.get("/ready").text == "ready\n"
    assert f"url: {origin.url}" in admin.get("/config").text


@pytest.mark.parametrize("path", ["/drain", "/quitquitquit", "/shutdown"])
def test_drain(administered, origin, path):
    origin.on("/", send(head(200, [("content-length", "8")]) + b"half"), wait("go"), send(b"half"))
    proxy, admin = administered()
    with proxy.h2() as client:
        stream_id = client.request("/")
        client.wait_until(lambda: client.responses[stream_id].body == b"half")
        answer = admin.post(path)
        assert (answer.status, answer.text) == (200, "draining\n")
        wait_for(lambda: admin.ask("/ready").status == 503)
        assert admin.ask("/ready").text == "draining\n"
        assert admin.get("/live").text == "live\n"
        assert admin.stats()["state"] == "draining"
        assert admin.number("ready") == 0
        origin.event("go").set()
        assert client.wait(stream_id).body == b"halfhalf"
    proxy.process.wait(10)
    proxy.stop()  # checks that it left with 0


def test_drain_with_nothing_to_do(administered):
    proxy, admin = administered()
    assert admin.post("/drain").text == "draining\n"
    proxy.process.wait(10)


def test_content_of_commands_is_ignored(administered):
    _, admin = administered()
    assert admin.post("/log?level=info", body=b"x" * 5000).status == 200
    assert admin.post("/log?level=info", body=b"x" * 70000).status == 413


def test_the_level_of_the_log(administered, origin):
    origin.on("*", respond(200))
    proxy, admin = administered()
    assert admin.post("/log?level=debug").text == "debug\n"
    assert admin.get("/log").text == "debug\n"
    assert admin.post("/log?level=loud").status == 400
    assert admin.post("/log?level=warn").status == 200
    assert admin.get("/log").text == "warn\n"
    proxy.wait_stderr("asked to do path=/log client=127.0.0.1")


# --- what was learned --------------------------------------------------------------------------


def test_hints_are_shown_and_forgotten(administered, origin):
    for path in ["/", "/other"]:
        page(origin, path, STYLE, headers=[("cache-control", "max-age=600")])
    proxy, admin = administered(workers=1)
    for path in ["/", "/other"]:
        for _ in range(2):
            visit(proxy, path)
    wait_for(lambda: sum(row["confirmed"] for row in admin.learned().values()) == 2)
    row = admin.learned()["localhost/"]
    assert row["links"] == [STYLE] and row["source"] == "link" and row["scheme"] == "https"
    assert row["sightings"] >= 2 and row["age_s"] < 60 and row["seen_s_ago"] < 60
    assert hints(visit(proxy, "/")) == [STYLE]
    document = json.loads(admin.get("/hints").body)
    assert document["truncated"] is False and document["stats"]["confirmed"] == 2
    wait_for(lambda: admin.number("learned_pages") == 2)

    assert admin.post("/hints/forget?page=localhost%2F").status == 200
    assert list(admin.learned()) == ["localhost/other"]
    assert admin.post("/hints/forget?page=").status == 400
    assert admin.post("/hints/forget?paeg=x").status == 400
    assert list(admin.learned()) == ["localhost/other"]
    assert admin.post("/hints/forget").status == 200
    assert admin.learned() == {}
    origin.on("/other", respond(500))  # only what was learned could be hinted
    assert hints(visit(proxy, "/other")) == []


def test_all_workers_forget(administered, origin):
    page(origin, "/", STYLE, headers=[("cache-control", "max-age=600")])
    proxy, admin = administered(workers=3)

    def tries():
        return [hints(visit(proxy)) for _ in range(8)]

    wait_for(lambda: all(tries()))
    origin.on("/", respond(500))  # teaches nothing

    def are_forgotten():
        # What the workers had yet to tell each other may come back once.
        assert admin.post("/hints/forget").text == "done\n"
        return not any(tries())

    wait_for(are_forgotten)


def test_what_was_just_learned_does_not_come_back(administered, origin):
    """Workers tell each other half a second later."""
    proxy, admin = administered(workers=2)
    for number in range(4):
        page(origin, f"/{number}", STYLE, headers=[("cache-control", "max-age=600")])
        for _ in range(4):
            visit(proxy, f"/{number}")
        assert admin.post("/hints/forget").status == 200
        time.sleep(0.7)
        assert admin.learned() == {}


def test_pages_show_what_hints_do(administered, origin):
    page(origin, "/", STYLE, headers=[("cache-control", "max-age=600")])
    proxy, admin = administered(workers=1)
    for _ in range(3):
        visit(proxy)
    [row] = admin.stats()["pages"]
    assert row["page"] == "localhost/" and row["visits"] == 3
    assert row["hinted"] >= 1 and row["promised"] == 0 and row["early"] >= 1
    assert abs(row["seen_s"] - time.time()) < 60
    assert admin.number("hints_total", author="own") >= 1


def test_hints_of_the_origin_are_counted(administered, origin):
    early = head(103, links(STYLE))
    origin.on("/", send(early), wait("go"), respond(200, body=b"x"))
    proxy, admin = administered()
    with proxy.h2(push=False) as client:
        stream_id = client.request("/", headers=NAVIGATION)
        client.wait_until(lambda: client.responses[stream_id].interim)
        origin.event("go").set()
        client.wait(stream_id)
    admin.wait_number(1, "hints_total", author="origin")
