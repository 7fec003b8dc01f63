"""What an administrator sees of the clients' calls."""

import openai

from gateway import eventually


def test_a_streamed_call_is_on_record_as_complete(gateway, user):
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=user.token, max_retries=0) as client:
        question = [{"role": "user", "content": "What does a toll gate do?"}]
        stream = client.chat.completions.create(model="demo", messages=question, stream=True)
        request_id = stream.response.headers["x-request-id"]
        assert list(stream)

    # The outcome is written when the body ends, which the client may see a moment earlier.
    record = eventually(lambda: finished_record(gateway, request_id))
    assert record["username"] == user.username
    assert record["route"] == "chat"
    assert record["outcome"] == "complete"


def finished_record(gateway, request_id):
    records = gateway.audit_records(route="chat", request_id=request_id)
    return next((record for record in records if record["outcome"]), None)
