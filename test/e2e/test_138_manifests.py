# SPDX-License-Identifier: Apache-2.0
"""The Containerfile, the compose file and the manifests of Kubernetes fit the program and each other.

test_137 runs what they say.
"""

import json
import os
import pathlib
import re

import pytest
import tools
import yaml

ROOT = pathlib.Path(os.environ["OUTRIDER_ROOT"])
KUBERNETES = ROOT / "config/kubernetes"
BINARY = os.environ["OUTRIDER_BINARY"]
IMAGE_BINARY = "/usr/bin/outrider"
PRODUCT = "outrider:" + re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


def check(*words, env=None):
    """The configuration in force, as `outrider check` prints it, and its text."""
    result = tools.run(BINARY, "check", *words, env=env)
    assert result.code == 0, result
    return yaml.safe_load(result.text), result.text


def port_of(address):
    return int(address.rpartition(":")[2])


def listener_ports(config):
    return {port_of(one["address"]) for one in config["listeners"]}


def seconds(time):
    return int(re.fullmatch(r"(\d+)s", str(time))[1])


# --- the Containerfile


@pytest.fixture
def containerfile():
    """Word to the rests of its lines."""
    words = {}
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            words.setdefault(word, []).append(rest)
    return words


def test_containerfile_builds_from_what_is_there(containerfile):
    assert containerfile["FROM"][-1] == "scratch"
    for words in containerfile["COPY"]:
        source = words.split()[0]
        assert source.startswith("--from=build") or (ROOT / source).exists(), words
    for command in containerfile["RUN"]:
        script, *words = command.split()
        assert os.access(ROOT / script, os.X_OK)
        assert script != "scripts/setup" or f"{words[0]})" in (ROOT / script).read_text()


def test_containerfile_names_program_ports_and_user(containerfile, compose):
    assert json.loads(containerfile["ENTRYPOINT"][0]) == [IMAGE_BINARY]
    health = json.loads(containerfile["HEALTHCHECK"][0].partition("CMD ")[2])
    assert ["CMD", *health] == compose["healthcheck"]["test"]
    assert containerfile["USER"] == [compose["user"]]
    assert containerfile["STOPSIGNAL"] == [compose["stop_signal"]]
    config, _ = check(env=compose["environment"])
    assert {int(port) for port in containerfile["EXPOSE"][0].split()} == listener_ports(config)


def test_health_is_a_verb():
    text = tools.run(BINARY, "--help").text
    assert "outrider health" in text and "--live" in text


# --- compose


@pytest.fixture
def compose():
    return load("config/compose.yaml")["services"]["outrider"]


def test_compose_sets_options_that_there_are(compose, certs):
    config, text = check(env=compose["environment"])
    for name in compose["environment"]:
        assert f"# {name}\n" in text, f"{name} is not in force"
    assert {*map(port_of, compose["ports"])} == listener_ports(config) | {
        port_of(config["admin"]["listen"])
    }
    assert seconds(compose["stop_grace_period"]) > seconds(config["timeouts"]["drain"])
    commented = re.findall(r"# (OUTRIDER_\w+): (\S+)", (ROOT / "config/compose.yaml").read_text())
    files = {"tls.crt": certs.certificate, "tls.key": certs.key}
    more = {name: files[pathlib.Path(value).name] for name, value in commented}
    assert len(more) == 2
    check(env={**compose["environment"], **more})


def test_compose_names_what_there_is(compose):
    assert compose["image"] == PRODUCT
    assert (ROOT / "config" / compose["build"]["context"] / compose["build"]["dockerfile"]).exists()
    services = load("config/compose.yaml")["services"]
    origin = re.fullmatch(r"http://(\w+):(\d+)", compose["environment"]["OUTRIDER_ORIGIN"])
    app = services[origin[1]]
    assert compose["depends_on"] == [origin[1]]
    assert app["command"][-1] == origin[2]
    here, there, _ = app["volumes"][0].split(":")
    assert (ROOT / "config" / here).exists() and there in app["command"]


def test_compose_gives_no_rights(compose):
    assert compose["read_only"] and compose["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in compose["security_opt"]
    assert int(compose["user"].split(":")[0]) > 0


# --- Kubernetes


@pytest.fixture
def pod():
    return load("config/kubernetes/deployment.yaml")["spec"]["template"]


@pytest.fixture
def sidecar(pod):
    (sidecar,) = pod["spec"]["initContainers"]
    return sidecar


def read_config(certs):
    """The configuration of the pod, with a certificate that there is."""
    text = (KUBERNETES / "config.yaml").read_text()
    text = text.replace("/etc/outrider/tls.crt", certs.certificate)
    return text.replace("/etc/outrider/tls.key", certs.key)


@pytest.fixture
def config(certs, tmp_path):
    """What is then in force."""
    (tmp_path / "config.yaml").write_text(read_config(certs))
    return check("-c", tmp_path / "config.yaml")[0]


def test_pod_takes_what_its_comments_offer(certs, tmp_path):
    text = read_config(certs)
    plain, count = re.subn(r"^# (trusted: )", r"\1", text, flags=re.M)
    offer = re.search(r"drain_delay: (\d+)s, and drain: (\d+)s", text)
    assert count == 1 and offer
    plain = plain.replace("  drain: 25s", f"  drain_delay: {offer[1]}s\n  drain: {offer[2]}s")
    (tmp_path / "config.yaml").write_text(plain)
    config = check("-c", tmp_path / "config.yaml")[0]
    spec = load("config/kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    times = config["timeouts"]
    grace = spec["terminationGracePeriodSeconds"]
    assert seconds(times["drain_delay"]) + seconds(times["drain"]) < grace


def test_pod_ports_are_those_of_the_configuration(pod, sidecar, config):
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    probes = port_of(config["admin"]["probes"])
    assert ports["probes"] == probes
    assert {ports["https"], ports["http"]} == listener_ports(config)
    schemes = {one["address"].partition(":")[0]: port_of(one["address"]) for one in config["listeners"]}
    assert schemes == {"https": ports["https"], "http": ports["http"]}
    annotations = pod["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) == probes
    service = load("config/kubernetes/service.yaml")["spec"]
    assert {port["targetPort"] for port in service["ports"]} == {"https", "http"}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert sidecar[probe]["httpGet"]["port"] == "probes"
    app = pod["spec"]["containers"][0]
    assert app["readinessProbe"]["httpGet"]["port"] == ports["http"]
    assert config["origins"]["app"]["url"] == "http://" + ":".join(app["command"][-2:])


def test_pod_names_what_there_is(pod, sidecar):
    deployment = load("config/kubernetes/deployment.yaml")
    service = load("config/kubernetes/service.yaml")
    labels = pod["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    assert sidecar["image"] == PRODUCT
    kustomization = load("config/kubernetes/kustomization.yaml")
    made = {one["name"]: one["files"] for one in kustomization["configMapGenerator"]}
    for name in [*kustomization["resources"], *sum(made.values(), [])]:
        assert (KUBERNETES / name).exists(), name
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    sources = volumes["configuration"]["projected"]["sources"]
    assert sources[0]["configMap"]["name"] in made and "config.yaml" in made["outrider"]
    assert volumes["example-app"]["configMap"]["name"] in made
    page = (ROOT / "docs/deploy.md").read_text()
    assert f"create secret tls {sources[1]['secret']['name']}" in page
    for container in [sidecar, *pod["spec"]["containers"]]:
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes and "subPath" not in mount
    assert sidecar["volumeMounts"][0]["mountPath"] == "/etc/outrider"


def test_pod_is_restricted(pod):
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["initContainers"], *spec["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_pod_ends_after_its_app_and_in_time(pod, sidecar, config):
    assert sidecar["restartPolicy"] == "Always" and "lifecycle" not in sidecar
    assert pod["spec"]["terminationGracePeriodSeconds"] > seconds(config["timeouts"]["drain"])
    # Ready is what an app may need; it starts when the sidecar has started, so that must not wait.
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/live"
    assert sidecar["livenessProbe"]["httpGet"]["path"] == "/live"
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/ready"
