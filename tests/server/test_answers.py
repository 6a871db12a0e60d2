"""What the server itself puts into answers, and what becomes of an application that fails."""

from websockets.sync.client import connect


def test_no_answer_names_the_server(patient):
    with patient.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert "server" not in client.head()[1]
    with connect(f"ws://127.0.0.1:{patient.port}/") as browser:
        assert "server" not in browser.response.headers


def test_an_application_that_fails_before_its_response_is_a_500_without_details(patient):
    status, page = patient.get("/silent-failure")
    assert status == 500
    assert b"before the response" not in page
    assert b"aphne" not in page


def test_a_response_that_fails_midway_is_cut_and_the_next_failure_is_still_noticed(patient):
    with patient.connect() as client:
        client.send(b"GET /failure HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.head()[0] == 200
        assert client.reader.read(9) == b"4\r\nhalf\r\n"
        assert client.is_closed()
    assert patient.get("/silent-failure")[0] == 500
