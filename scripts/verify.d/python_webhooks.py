"""Webhooks about alerts against standardwebhooks, the library of receivers.

LOCKSTEP_BINARY is the program. It is started on a data folder of its own, with
one connection whose webhook is a server in this process.
"""

import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

KEY = "the-operator-of-this-judge"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        Receiver.got.append((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.receiver = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=cls.receiver.serve_forever, daemon=True).start()
        cls.at = "127.0.0.1:%d" % cls.receiver.server_port
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = subprocess.Popen(
            [os.environ["LOCKSTEP_BINARY"], "serve", "--addr", "127.0.0.1:0", "--data", cls.folder.name + "/data", "--allow-host", cls.at],
            env={**os.environ, "LOCKSTEP_ADMIN_KEY": KEY}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in cls.program.stdout:
            if found := re.search(r"listens on (http://[0-9.:]+)", line):
                cls.url = found.group(1)
                break
        threading.Thread(target=cls.program.stdout.read, daemon=True).start()
        # The app is nowhere: its accounts are at the receiver, which answers no GET.
        account = {"app": "hubspot", "base_url": "http://" + cls.at, "credentials": {"kind": "token", "token": "t"}}
        sides = {side: cls.call("POST", "/v1/accounts", {**account, "name": side})["id"] for side in ("left", "right")}
        cls.con = "/v1/connections/" + cls.call("POST", "/v1/connections", {
            "name": "Judged", "left": {"account": sides["left"]}, "right": {"account": sides["right"]}, "syncs": [],
            "notify": {"enabled": True, "webhook": "http://%s/alerts" % cls.at},
        })["id"]

    @classmethod
    def tearDownClass(cls):
        cls.program.terminate()
        cls.program.wait(30)
        cls.receiver.shutdown()
        cls.folder.cleanup()

    @classmethod
    def call(cls, method, path, body=None):
        request = urllib.request.Request(cls.url + path, method=method, data=json.dumps(body).encode() if body else None)
        request.add_header("Authorization", "Bearer " + KEY)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def test_signatures(self):
        sent = []
        secrets = []
        for _ in range(2):
            secrets.append(self.call("POST", self.con + "/notify/secret")["secret"])
            self.assertEqual(self.call("POST", self.con + "/notify/test")["results"], [{"channel": "webhook", "ok": True}])
            sent.append(Receiver.got[-1])
        before, during = sent
        self.assertEqual(Webhook(secrets[0]).verify(*before)["type"], "alert.test")
        for secret in secrets:
            self.assertEqual(Webhook(secret).verify(*during)["type"], "alert.test")
        for secret, body, headers in (
            (secrets[1], *before),
            (secrets[0], before[0] + " ", before[1]),
            (secrets[0], before[0], {**before[1], "webhook-id": "msg_other"}),
        ):
            with self.assertRaises(WebhookVerificationError):
                Webhook(secret).verify(body, headers)


if __name__ == "__main__":
    unittest.main()
