# SPDX-License-Identifier: Apache-2.0
"""Libraries whose programs choose to take pushes: Java's HttpClient (where a JDK is present) and
Node's http2. That nghttp and Node take them stands in 420_push_clients."""

import shutil

import pytest

import tools
from origin import wait_closed
from pushing import STYLE, log_lines, outcome, page

JAVA_LIMIT_S = 40

# Asks for pages, one after the other, over one connection. Arguments: the authority's certificate,
# then pairs of "take" or "ignore" and a URL. Prints a line for each page and each push.
JAVA = """
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpResponse.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.*;
import javax.net.ssl.*;

public class Visitor {
    static SSLContext trust(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = Files.newInputStream(Path.of(file))) {
            var authority = CertificateFactory.getInstance("X.509").generateCertificate(in);
            store.setCertificateEntry("authority", authority);
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    static void print(String kind, HttpResponse<String> response) {
        System.out.println(kind + " " + response.version() + " " + response.statusCode() + " "
            + response.uri().getPath() + " " + response.body());
    }

    static void visit(HttpClient client, boolean takes, HttpRequest request) throws Exception {
        if (!takes) {
            print("page", client.send(request, BodyHandlers.ofString()));
            return;
        }
        var pushes = new ConcurrentHashMap<HttpRequest, CompletableFuture<HttpResponse<String>>>();
        var taker = PushPromiseHandler.of((HttpRequest push) -> BodyHandlers.ofString(), pushes);
        print("page", client.sendAsync(request, BodyHandlers.ofString(), taker).join());
        for (var response : pushes.values()) {
            print("push", response.join());
        }
    }

    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newBuilder().sslContext(trust(words[0])).build();
        for (int i = 1; i < words.length; i += 2) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(words[i + 1])).build();
            visit(client, words[i].equals("take"), request);
        }
        System.exit(0); // else its threads wait for their time
    }
}
"""

# Refuses all pushes of /1, and asks for /2 when that is on its way.
NODE = """
const http2 = require('http2');
const session = http2.connect(process.argv[2]);
let left = Number(process.argv[3]);
const refused = new Promise((resolve) => {
  session.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.on('close', () => { if (--left === 0) { resolve(); } });
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  });
});
const visit = (path) => new Promise((resolve) => {
  const page = session.request({ ':path': path });
  page.on('response', (response) => { console.log('page', response[':status'], path); });
  page.resume();
  page.on('end', resolve);
});
visit('/1').then(() => refused).then(() => visit('/2')).then(() => session.destroy());
"""


@pytest.fixture(scope="session")
def jdk():
    """java, with the compiler that runs a source file."""
    modules = tools.run("java", "--list-modules").text if shutil.which("java") else ""
    if "jdk.compiler" not in modules:
        pytest.skip("no JDK is installed, so Java's HttpClient is not tried")


@pytest.fixture
def java(jdk, tmp_path, certs):
    """java(proxy, ("take", "/"), ...): the lines that it prints, without the pages' protocol."""
    source = tmp_path / "Visitor.java"
    source.write_text(JAVA)

    def run(proxy, *visits):
        words = [word for how, path in visits for word in (how, proxy.url(path, host="localhost"))]
        result = tools.run("java", source, certs.ca, *words, limit=JAVA_LIMIT_S)
        assert result.code == 0, result
        return result.text.splitlines()

    return run


def test_java_takes_pushes(outrider, origin, java):
    page(origin, "/", STYLE, "</b.js>; rel=preload; as=script")
    page(origin, "/other", STYLE, "</c.js>; rel=preload; as=script")
    lines = java(outrider(origin), ("take", "/"), ("take", "/other"))
    assert lines[0] == "page HTTP_2 200 / <html>"
    assert sorted(lines[1:3]) == ["push HTTP_2 200 /a.css asset", "push HTTP_2 200 /b.js asset"]
    assert lines[3:] == ["page HTTP_2 200 /other <html>", "push HTTP_2 200 /c.js asset"]
    assert len(origin.requests) == 5


def test_java_that_never_takes_pushes(outrider, origin, java):
    """It says so in its settings."""
    page(origin, "/", STYLE)
    proxy = outrider(origin)
    assert java(proxy, ("ignore", "/")) == ["page HTTP_2 200 / <html>"]
    assert outcome(proxy, "/") == (0, {"client": 1})


REFUSED = ["/n1.css", "/n2.css", "/n3.css"]


@pytest.fixture
def refused_pages(origin):
    """/1 links three resources, whose pushes stay open until they are refused; /2 links others."""
    for path in REFUSED:
        origin.on(path, wait_closed())
    page(origin, "/1", *[f"<{path}>; rel=preload; as=style" for path in REFUSED])
    page(origin, "/2", STYLE, "</b.js>; rel=preload")


def assert_stopped(proxy):
    """Three of the first four refused: no more, on a connection that lives."""
    lines = log_lines(proxy, "/1") + log_lines(proxy, "/2")
    assert [(line["promised"], line["skipped"]) for line in lines] == [(3, {}), (0, {"refused": 2})]
    assert lines[0]["conn"] == lines[1]["conn"]


def test_java_that_refuses_all_is_promised_no_more(outrider, origin, java, refused_pages):
    """A program that takes the pushes of one page allows those of all, and resets the others before
    it sees the page that promised them."""
    page(origin, "/")
    proxy = outrider(origin)
    lines = java(proxy, ("take", "/"), ("ignore", "/1"), ("ignore", "/2"))
    assert lines == [f"page HTTP_2 200 {path} <html>" for path in ("/", "/1", "/2")]
    assert_stopped(proxy)


def test_node_that_refuses_all_is_promised_no_more(outrider, origin, node_env, refused_pages):
    proxy = outrider(origin)
    result = tools.node(NODE, proxy.url(""), len(REFUSED), env=node_env)
    assert result.code == 0 and result.text == "page 200 /1\npage 200 /2\n", result
    assert_stopped(proxy)
