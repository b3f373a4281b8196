"""Sets up a connection between two fakes, then lets Schemathesis loose on it.

Called by 10-conformance.sh: address, work folder, then address and printed
credentials of each fake. LOCKSTEP_ADMIN_KEY is the operator's key;
CONFORMANCE_STORE says where the program keeps what it remembers, on which the
number of cases depends; CONFORMANCE_EXAMPLES sets the made-up requests per
operation.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

BASE, WORK = sys.argv[1:3]
KEY = os.environ["LOCKSTEP_ADMIN_KEY"]
STORE = os.environ["CONFORMANCE_STORE"]

# What a request is refused for does not depend on the storage, so that the
# requests that do not fit the document are all made up on one of them. The other
# gets those that do, and fewer by chance.
# The last is how often a second the calls that reach an app are made: those that
# do not fit never get that far, so that without them the rest come thicker.
MODE, EXAMPLES, WANTED, RATE = {"embedded": ("all", "12", 5000, 4), "dynamo": ("positive", "10", 2000, 2)}[STORE]
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES", EXAMPLES)

# A machine that is busy is no finding. The program gives up a request after
# 24 s, and answers that it did; whoever waits for it waits longer.
ANSWER_TIME = 60
WORK_TIME = 180

# Every check of Schemathesis but four: positive_data_acceptance (a document can
# fit its schema and still name an unknown account), missing_required_header (a
# missing If-Match is 428, which it does not know), and use_after_free and
# ensure_resource_availability, which need links: they are made below, by hand.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth"
)


def send(method, path, body=None, key=KEY, **headers):
    """Sends a request; returns status and decoded answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json", **headers}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIME) as answer:
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, raw = refused.code, refused.read()
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, None


def must(want, method, path, body=None, **headers):
    status, answer = send(method, path, body, **headers)
    if status != want:
        sys.exit(f"{method} {path}: got {status}, want {want}: {answer}")
    return answer


def account(app, base, printed):
    """Adds an account with the credentials that a fake printed."""
    words = dict(line.split(None, 1) for line in open(printed, encoding="utf-8") if len(line.split(None, 1)) == 2)
    names = ("kind", "token", "webhook_secret", "client_id", "client_secret")
    credentials = {name: words[name].strip() for name in names if name in words}
    made = must(201, "POST", "/v1/accounts", {"app": app, "name": app, "base_url": base, "credentials": credentials})
    return made["id"]


def set_up():
    """Makes one of everything that a path can name."""
    left, right = account("hubspot", *sys.argv[3:5]), account("salesforce", *sys.argv[5:7])
    document = {"name": "Conformance", "left": {"account": left}, "right": {"account": right}, "syncs": []}
    con = must(201, "POST", "/v1/connections?preset=hubspot-salesforce-contacts", document)["id"]
    run = must(202, "POST", f"/v1/connections/{con}/start")["runs"][0]["id"]
    end = time.time() + WORK_TIME
    while must(200, "GET", f"/v1/runs/{run}")["state"] not in ("done", "failed", "cancelled"):
        if time.time() > end:
            sys.exit("the first run does not end")
        time.sleep(0.1)
    record = must(200, "GET", f"/v1/connections/{con}/syncs/contacts/records?limit=1")["items"][0]
    return {
        "^/v1/connections/{id}": {"id": con, "sync": "contacts", "side": record["side"], "record": record["id"]},
        "^/v1/accounts/{id}": {"id": left, "object": "contacts"},
        "^/v1/runs/{id}": {"id": run},
        "^/v1/plans/{id}": {"id": must(202, "POST", f"/v1/connections/{con}/syncs/contacts/plans")["id"]},
        "^/v1/log/{id}": {"id": must(200, "GET", "/v1/log?limit=1")["items"][0]["id"]},
        "^/v1/keys/{id}": {"id": must(201, "POST", "/v1/keys", {"name": "victim", "role": "viewer"})["id"]},
        "{app}": {"app": "hubspot"},
    }


def write_config(places):
    """Tells Schemathesis what paths can name, and which calls reach an app:
    those are limited by the app's budget, which answers 503 when it is spent."""
    lines = [f'headers = {{ Authorization = "Bearer {KEY}" }}']
    for pattern, values in places.items():
        pairs = ", ".join(f'"{name}" = {json.dumps(value)}' for name, value in values.items())
        lines += ["[[operations]]", f"include-path-regex = {json.dumps(pattern)}", f"parameters = {{ {pairs} }}"]
    for name in ("test-account", "list-objects", "list-fields", "create-field", "delete-field", "get-record",
                 "explain-record", "get-suggestions", "preview-rules", "preview-mappings"):
        lines += ["[[operations]]", f'include-operation-id = "{name}"', f'rate-limit = "{RATE}/s"']
        if STORE == "dynamo" and name.startswith("preview"):
            lines += ["phases.coverage.enabled = false"]  # they store nothing, and every form of a body is tried on the other storage
        lines += ["[operations.generation]", "max-examples = 5"]
    if STORE == "dynamo":  # it stores nothing, as the previews
        lines += ["[[operations]]", 'include-operation-id = "plan-import"', "phases.coverage.enabled = false"]
    # 431: the whole request line was too long for the server to read.
    refusals = '["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "431", "503"]'
    lines += ["[checks.negative_data_rejection]", f"expected-statuses = {refusals}"]
    path = os.path.join(WORK, "schemathesis.toml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path


def schemathesis(config):
    """Runs it and returns the number of cases that it made.

    Its health check of the time that making requests up takes is left out: it
    says how busy the machine is, and ends the run without a failure."""
    report = os.path.join(WORK, "report.ndjson")
    # One worker: CPython 3.11 parses source from one thread only without now and
    # then ending in "AST constructor recursion depth mismatch"
    # (https://github.com/python/cpython/issues/106905), which Hypothesis meets.
    command = ["schemathesis", "--config-file", config, "run", BASE + "/v1/openapi.json", "--phases", "examples,coverage,fuzzing", "--mode", MODE,
               "--max-examples", EXAMPLES, "--continue-on-failure", "--checks", CHECKS, "--workers", "1", "--seed", "1", "--no-color",
               "--warnings", "off", "--request-timeout", str(ANSWER_TIME), "--suppress-health-check", "too_slow", "--report", "ndjson", "--report-ndjson-path", report]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=WORK) as process:
        output = process.stdout.read()
    tail = output[output.rfind("= SUMMARY ="):]
    if process.returncode != 0:
        # Errors are what kept it from testing, such as a request without an
        # answer; they are listed apart from failures, and may stand alone.
        lists = [at for at in (output.find("= ERRORS ="), output.find("= FAILURES =")) if at >= 0]
        sys.exit(output[min(lists):] if lists else output[-6000:])
    print(tail)
    for line in tail.splitlines():
        words = line.split()
        if len(words) > 1 and words[1] == "generated,":
            return int(words[0])
    sys.exit("Schemathesis does not say how many cases it made")


def other_tenant(places):
    """Calls every operation that names something, with a key of another workspace."""
    workspace = must(201, "POST", "/v1/workspaces", {"name": "Other"})["id"]
    key = must(201, "POST", "/v1/keys", {"name": "other", "role": "admin", "workspace": workspace})["key"]
    document = must(200, "GET", "/v1/openapi.json")
    cases = 0
    for path, item in document["paths"].items():
        values = next((v for pattern, v in places.items() if path.startswith(pattern.lstrip("^")) and "id" in v), None)
        if values is None:
            continue
        target = path
        for name, value in values.items():
            target = target.replace("{" + name + "}", value)
        for method in item:
            status, answer = send(method.upper(), target, key=key, **{"If-Match": "*"})
            cases += 1
            # A call whose body is missing is refused before anything is looked up.
            if status != 404 and not (status == 400 and answer["code"] == "body_required"):
                sys.exit(f"{method.upper()} {path} from another workspace: {status} {answer}")
    return cases


def connections():
    """Lists all connections."""
    found, cursor = [], ""
    while True:
        page = must(200, "GET", "/v1/connections?limit=200" + ("&cursor=" + urllib.parse.quote(cursor) if cursor else ""))
        found += page["items"]
        cursor = page.get("next") or ""
        if not cursor:
            return found


def using(account):
    """Lists the connections that use an account."""
    return [c for c in connections() if account in (c["left"]["account"], c["right"]["account"])]


def delete(connection):
    """Asks for a connection to be deleted, which goes on by itself."""
    confirm = connection["id"] if connection["status"] == "draft" else connection["name"]  # a draft may have no name
    return send("DELETE", f"/v1/connections/{connection['id']}?confirm=" + urllib.parse.quote(confirm), **{"If-Match": "*"})[0]


def tidy(places, stop):
    """Deletes the connections that Schemathesis makes while it goes on: an import
    looks through all of the workspace, of which nobody has thousands."""
    own = places["^/v1/connections/{id}"]["id"]
    while not stop.wait(1):
        for connection in connections():
            if connection["id"] != own and connection["status"] != "deleting":
                delete(connection)  # what keeps it from that is met again by after_deletion


def after_deletion(places):
    """Uses keys, accounts and connections after they were deleted."""
    cases = 0
    made = must(201, "POST", "/v1/keys", {"name": "short", "role": "admin"})
    must(200, "GET", "/v1/apps", key=made["key"])
    must(204, "DELETE", "/v1/keys/" + made["id"])
    must(401, "GET", "/v1/apps", key=made["key"])
    must(404, "DELETE", "/v1/keys/" + made["id"])
    target = "/v1/connections/" + places["^/v1/connections/{id}"]["id"]
    name = must(200, "GET", target)["name"]
    must(202, "DELETE", target + "?confirm=" + urllib.parse.quote(name), **{"If-Match": "*"})
    for method, path, body in (("POST", "/start", None), ("PATCH", "", {"description": "late"})):
        status, answer = send(method, target + path, body, **{"If-Match": "*"})
        if status not in (404, 409):
            sys.exit(f"{method} {path} of a deleted connection: {status} {answer}")
        cases += 1
    end = time.time() + WORK_TIME
    while send("GET", target)[0] != 404:
        if time.time() > end:
            sys.exit("the deleted connection is still there")
        time.sleep(0.2)
    account = places["^/v1/accounts/{id}"]["id"]
    asked, end = set(), time.time() + WORK_TIME
    while others := using(account):  # made by Schemathesis, most of them drafts; those of other accounts stay
        for other in others:
            if other["id"] not in asked:
                if delete(other) != 202:
                    sys.exit(f"connection {other['id']} cannot be deleted")
                asked.add(other["id"])
                end = time.time() + WORK_TIME
        if time.time() > end:
            sys.exit(f"{len(others)} of {len(asked)} deleted connections are still there")
        time.sleep(0.2)
    account_path = "/v1/accounts/" + account
    must(204, "DELETE", account_path, **{"If-Match": "*"})
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/objects"), ("GET", "/objects/contacts/fields")):
        must(404, method, account_path + path, **{"If-Match": "*"})
        cases += 1
    return cases + 7


def main():
    places = set_up()
    stop = threading.Event()
    tidier = threading.Thread(target=tidy, args=(places, stop), daemon=True)
    tidier.start()
    cases = schemathesis(write_config(places))
    stop.set()
    tidier.join()
    tenant, late = other_tenant(places), after_deletion(places)
    print(f"conformance on {STORE}: {cases} cases of Schemathesis, {tenant} from another workspace, {late} after deletion; {WANTED} wanted")
    if cases < WANTED:
        sys.exit("too few cases")


if __name__ == "__main__":
    main()
