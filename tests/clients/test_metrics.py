"""What scrapers read: the text of /metrics, held against the parsers of Prometheus' own library."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway import running_gateway

OPENMETRICS = "application/openmetrics-text"
# As Prometheus asks.
ACCEPT = f"{OPENMETRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@pytest.fixture(scope="module")
def traced_gateway(store, tmp_path_factory):
    """Every trace is sampled, and nobody collects them."""
    environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with running_gateway(store, tmp_path_factory.mktemp("traced"), environment=environment) as gateway:
        gateway.call("GET", "/me", token=gateway.admin_token)
        yield gateway


def families(text, read):
    return {family.name: family for family in read(text)}


def test_both_formats_have_the_same_families_and_samples(traced_gateway):
    answer = traced_gateway.metrics(ACCEPT)
    assert answer.headers["content-type"] == f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
    told = families(answer.text, read_openmetrics)
    plain = families(traced_gateway.metrics("text/plain").text, read_plain)
    assert len(plain) > 10
    assert {name: family.type for name, family in told.items()} == {name: family.type for name, family in plain.items()}
    for name, family in plain.items():
        assert {sample.name for sample in told[name].samples} == {sample.name for sample in family.samples}, name


def test_exemplars_are_at_the_histograms_of_latency_and_nowhere_else(traced_gateway):
    told = families(traced_gateway.metrics(ACCEPT).text, read_openmetrics)
    with_exemplars = {name for name, family in told.items() if any(sample.exemplar for sample in family.samples)}
    assert with_exemplars == {"tollgate_request_duration_seconds", "tollgate_gate_duration_seconds"}
    for name in with_exemplars:
        for sample in told[name].samples:
            if sample.exemplar:
                assert sample.name == f"{name}_bucket"
                assert len(sample.exemplar.labels["trace_id"]) == 32
                assert 0 < sample.exemplar.value <= float(sample.labels["le"])
