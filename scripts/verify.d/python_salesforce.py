"""simple-salesforce against the fake.

LOCKSTEP_FAKE_SALESFORCE holds the address of a fake that nobody else uses. The
client speaks https alone, so that its session carries each call to the fake as
what it is, but for the scheme and the host.
"""

import json
import os
import unittest
import urllib.request
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin, SFType, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

BASE = os.environ["LOCKSTEP_FAKE_SALESFORCE"]
KEY, SECRET = "3MVG9lockstep.fake.consumer.key", "lockstep-fake-consumer-secret"  # open a fake
VERSION = "67.0"


class ToFake(HTTPAdapter):
    """Sends what is meant for any host to the fake."""

    def send(self, request, **kwargs):
        fake, asked = urlsplit(BASE), urlsplit(request.url)
        request.url = urlunsplit((fake.scheme, fake.netloc, asked.path, asked.query, ""))
        return super().send(request, **kwargs)


def session():
    s = requests.Session()
    s.mount("https://", ToFake())
    return s


def knob(method, path, body=None):
    """Turns a knob of the fake, and returns what it answers."""
    data = None if body is None else json.dumps(body).encode()
    req = urllib.request.Request(BASE + "/_fake" + path, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(req) as resp:
        return json.load(resp)


def login(**more):
    return Salesforce(consumer_key=KEY, consumer_secret=SECRET, domain="made-up.my", session=session(), version=VERSION, **more)


class SimpleSalesforce(unittest.TestCase):
    """Every test makes its own records."""

    def setUp(self):
        self.sf = login()
        self.mark = self.id().rsplit(".", 1)[-1].replace("test_", "")

    def refused(self, error, code, call, *args, **kwargs):
        with self.assertRaises(error) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.content[0]["errorCode"], code, caught.exception.content)

    def contact(self, **fields):
        return self.sf.Contact.create({"LastName": self.mark, **fields})["id"]

    def test_login_and_session(self):
        token, instance = SalesforceLogin(consumer_key=KEY, consumer_secret=SECRET, domain="made-up.my", session=session())
        direct = Salesforce(session_id=token, instance=instance, session=session(), version=VERSION)
        self.assertIs(direct.is_sandbox(), False)
        by_url = Salesforce(session_id=token, instance_url="https://" + instance, session=session())  # the client's own version
        self.assertEqual(by_url.query("SELECT COUNT() FROM User")["totalSize"], 3)
        self.assertGreater(direct.api_usage["api-usage"].total, 0)
        with self.assertRaises(SalesforceAuthenticationFailed) as caught:
            SalesforceLogin(consumer_key=KEY, consumer_secret="wrong", domain="made-up.my", session=session())
        self.assertEqual(caught.exception.code, "invalid_client")
        nobody = Salesforce(session_id="00D!nobody", instance=instance, session=session(), version=VERSION)
        self.refused(SalesforceExpiredSession, "INVALID_SESSION_ID", nobody.limits)
        self.assertEqual(self.sf.oauth2("userinfo")["organization_id"][:3], "00D")

    def test_session_that_ends(self):
        before = self.sf.session_id
        knob("POST", "/tokens/expire")
        self.assertEqual(self.sf.query("SELECT COUNT() FROM User")["totalSize"], 3)  # logs in again, by itself
        self.assertNotEqual(self.sf.session_id, before)

    def test_versions_and_resources(self):
        s = session()
        for path in ("/services/data", "/services/data/"):
            versions = s.get("https://made-up.my.salesforce.com" + path).json()
            self.assertEqual(versions[-1]["version"], VERSION)
        self.assertIn("sobjects", self.sf.restful(""))
        self.assertGreater(self.sf.limits()["DailyApiRequests"]["Max"], 0)
        old = Salesforce(session_id=self.sf.session_id, instance=self.sf.sf_instance, session=s, version="20.0")
        self.refused(SalesforceGeneralError, "UNSUPPORTED_API_VERSION", old.limits)

    def test_describe(self):
        names = {o["name"] for o in self.sf.describe()["sobjects"]}
        self.assertLessEqual({"Contact", "Lead", "Account", "Opportunity", "User"}, names)
        fields = {f["name"]: f for f in self.sf.Contact.describe()["fields"]}
        self.assertEqual((fields["Email"]["type"], fields["LastName"]["nillable"], fields["Lockstep_Id__c"]["externalId"]), ("email", False, True))
        self.assertEqual(self.sf.Contact.metadata()["objectDescribe"]["keyPrefix"], "003")
        self.refused(SalesforceResourceNotFound, "NOT_FOUND", self.sf.Nothing__c.describe)

    def test_one_record(self):
        key = self.contact(FirstName="Ann", Email="Ann.Roe@Example.COM", Score__c=1.5)
        row = self.sf.Contact.get(key)
        self.assertEqual((row["Email"], row["Name"], row["Score__c"]), ("ann.roe@example.com", "Ann " + self.mark, 1.5))
        self.assertEqual(self.sf.Contact.update(key, {"FirstName": None, "HasOptedOutOfEmail": True}), 204)
        row = self.sf.Contact.get(key, params={"fields": "FirstName,HasOptedOutOfEmail"})
        self.assertEqual((row["FirstName"], row["HasOptedOutOfEmail"]), (None, True))
        self.refused(SalesforceMalformedRequest, "REQUIRED_FIELD_MISSING", self.sf.Contact.create, {"FirstName": "x"})
        self.refused(SalesforceMalformedRequest, "INVALID_FIELD", self.sf.Contact.update, key, {"Nope__c": "x"})
        self.refused(SalesforceMalformedRequest, "INVALID_EMAIL_ADDRESS", self.sf.Contact.update, key, {"Email": "nobody"})
        self.assertEqual(self.sf.Contact.delete(key), 204)
        self.refused(SalesforceResourceNotFound, "NOT_FOUND", self.sf.Contact.get, key)
        self.refused(SalesforceResourceNotFound, "ENTITY_IS_DELETED", self.sf.Contact.delete, key)
        alone = SFType("Contact", self.sf.session_id, self.sf.sf_instance, session=session(), sf_version=VERSION)
        self.assertEqual(len(alone.create({"LastName": self.mark})["id"]), 18)

    def test_upsert_by_external_id(self):
        contacts, path = self.sf.Contact, "Lockstep_Id__c/" + self.mark
        made = contacts.upsert(path, {"LastName": "One"}, raw_response=True)
        self.assertEqual((made.status_code, made.json()["created"]), (201, True))
        self.assertEqual(contacts.upsert(path, {"LastName": "Two"}), 200)
        self.assertEqual(contacts.get_by_custom_id("Lockstep_Id__c", self.mark)["LastName"], "Two")
        self.refused(SalesforceMalformedRequest, "DUPLICATE_VALUE", self.contact, Lockstep_Id__c=self.mark)
        self.refused(SalesforceResourceNotFound, "NOT_FOUND", contacts.upsert, "Phone/1", {"LastName": "x"})
        for _ in range(2):
            self.contact(HubSpot_Id__c=self.mark)
        with self.assertRaises(SalesforceMoreThanOneRecord):
            contacts.get_by_custom_id("HubSpot_Id__c", self.mark)

    def test_queries_and_pages(self):
        knob("PUT", "/page_rows", {"rows": 200})
        try:
            knob("POST", "/seed", {"people": 450, "slot": 0})
            page = self.sf.query("SELECT Id, Email FROM Contact")
            self.assertFalse(page["done"])
            self.assertEqual(len(page["records"]), 200)
            more = self.sf.query_more(page["nextRecordsUrl"], identifier_is_url=True)
            same = self.sf.query_more(page["nextRecordsUrl"].rsplit("/", 1)[-1])
            self.assertEqual([r["Id"] for r in more["records"]], [r["Id"] for r in same["records"]])
            everybody = self.sf.query_all("SELECT Id FROM Contact")
            self.assertEqual(everybody["totalSize"], page["totalSize"])
            ids = [r["Id"] for r in self.sf.query_all_iter("SELECT Id FROM Contact ORDER BY Id")]
            self.assertEqual(len(set(ids)), page["totalSize"])
            self.refused(SalesforceMalformedRequest, "INVALID_QUERY_LOCATOR", self.sf.query_more, "01g000000000000AAA-2000")
        finally:
            knob("PUT", "/page_rows", {"rows": 2000})
        gone = self.contact(FirstName="O'Neill \\ 100%")
        soql = format_soql("SELECT Id FROM Contact WHERE FirstName = {}", "O'Neill \\ 100%")
        self.assertEqual([r["Id"] for r in self.sf.query(soql)["records"]], [gone])
        self.sf.Contact.delete(gone)
        self.assertEqual(self.sf.query(soql)["totalSize"], 0)
        self.assertEqual(self.sf.query_all(soql, include_deleted=True)["totalSize"], 1)
        self.refused(SalesforceMalformedRequest, "MALFORMED_QUERY", self.sf.query, "SELECT Id FROM")
        self.refused(SalesforceMalformedRequest, "INVALID_FIELD", self.sf.query, "SELECT Nope FROM Contact")

    def test_aggregates(self):
        for source in ("Web", "Web", "Other"):
            self.contact(LeadSource=source, Score__c=2)
        where = format_soql("FROM Contact WHERE LastName = {}", self.mark)
        self.assertEqual(self.sf.query("SELECT COUNT() " + where)["totalSize"], 3)
        self.assertEqual(self.sf.query("SELECT COUNT(Id), SUM(Score__c) total " + where)["records"][0]["total"], 6)
        rows = self.sf.query_all("SELECT LeadSource, COUNT(Id) " + where + " GROUP BY LeadSource ORDER BY COUNT(Id) DESC")["records"]
        self.assertEqual([(r["LeadSource"], r["expr0"]) for r in rows], [("Web", 2), ("Other", 1)])
        rows = self.sf.query("SELECT LeadSource " + where + " GROUP BY LeadSource HAVING COUNT(Id) > 1")["records"]
        self.assertEqual([r["LeadSource"] for r in rows], ["Web"])

    def test_search(self):
        key = self.contact(LastName="Quixote", FirstName="Sosl", Email="sosl@example.org")
        found = self.sf.search("FIND {Quixote} IN NAME FIELDS RETURNING Contact(Id, Email WHERE FirstName = 'Sosl'), Lead LIMIT 5")
        self.assertEqual([(r["Id"], r["Email"]) for r in found["searchRecords"]], [(key, "sosl@example.org")])
        self.assertEqual([r["Id"] for r in self.sf.quick_search("Quixote")["searchRecords"]], [key])
        self.assertEqual(self.sf.quick_search("Dulcinea")["searchRecords"], [])
        self.refused(SalesforceMalformedRequest, "MALFORMED_SEARCH", self.sf.search, "FIND Quixote")

    def test_updated_and_deleted(self):
        kept, gone = self.contact(), self.contact()
        self.sf.Contact.delete(gone)
        now = datetime.now(timezone.utc)
        window = (now - timedelta(minutes=10), now + timedelta(minutes=5))
        updated = self.sf.Contact.updated(*window)
        self.assertIn(kept, updated["ids"])
        self.assertIn("latestDateCovered", updated)
        self.assertIn(gone, [d["id"] for d in self.sf.Contact.deleted(*window)["deletedRecords"]])
        self.refused(SalesforceMalformedRequest, "INVALID_REPLICATION_DATE", self.sf.Contact.updated, now - timedelta(days=31), now)

    def test_merges(self):
        keep, lose = self.contact(FirstName="Keep"), self.contact(Phone="1")
        knob("POST", f"/records/Contact/{lose}/merge", {"into": keep})
        self.assertEqual(self.sf.Contact.get(keep)["Phone"], "1")
        self.refused(SalesforceResourceNotFound, "NOT_FOUND", self.sf.Contact.get, lose)
        row = self.sf.query_all(format_soql("SELECT MasterRecordId FROM Contact WHERE Id = {}", lose), include_deleted=True)["records"][0]
        self.assertEqual(row["MasterRecordId"], keep)

    def test_collections(self):
        rows = [{"attributes": {"type": "Contact"}, "LastName": self.mark}, {"attributes": {"type": "Contact"}}]
        out = self.sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
        self.assertEqual([r["success"] for r in out], [True, False])
        self.assertEqual(out[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING")
        got = self.sf.restful("composite/sobjects/Contact", method="POST", json={"ids": [out[0]["id"], "003Lk0000000zzz"], "fields": ["LastName"]})
        self.assertEqual((got[0]["LastName"], got[1]), (self.mark, None))
        out = self.sf.restful("composite/sobjects", {"ids": out[0]["id"], "allOrNone": "false"}, method="DELETE")
        self.assertTrue(out[0]["success"])

    def test_composite(self):
        base = f"/services/data/v{VERSION}/sobjects/"
        parts = [
            {"method": "POST", "url": base + "Account", "referenceId": "acc", "body": {"Name": self.mark}},
            {"method": "POST", "url": base + "Contact/", "referenceId": "con", "body": {"LastName": self.mark, "AccountId": "@{acc.id}"}},
            {"method": "GET", "url": base + "Contact/@{con.id}", "referenceId": "read"},
        ]
        out = self.sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})["compositeResponse"]
        self.assertEqual([p["httpStatusCode"] for p in out], [201, 201, 200])
        self.assertEqual(out[2]["body"]["AccountId"], out[0]["body"]["id"])
        bad = parts[:1] + [{"method": "PATCH", "url": base + "Account/001Lk0000000zzz", "referenceId": "bad", "body": {"Name": "x"}}]
        out = self.sf.restful("composite/", method="POST", json={"allOrNone": True, "compositeRequest": bad})["compositeResponse"]
        self.assertEqual([p["body"][0]["errorCode"] for p in out], ["PROCESSING_HALTED", "NOT_FOUND"])
        self.assertEqual(self.sf.query(format_soql("SELECT COUNT() FROM Account WHERE Name = {}", self.mark))["totalSize"], 1)
        batch = [{"method": "GET", "url": f"v{VERSION}/sobjects/Account/001Lk0000000zzz"}, {"method": "GET", "url": f"v{VERSION}/limits"}]
        out = self.sf.restful("composite/batch", method="POST", json={"batchRequests": batch})
        self.assertEqual((out["hasErrors"], [r["statusCode"] for r in out["results"]]), (True, [404, 200]))
        out = self.sf.restful("composite/batch/", method="POST", json={"haltOnError": True, "batchRequests": batch})
        self.assertEqual([r["statusCode"] for r in out["results"]], [404, 412])

    def test_limits(self):
        try:
            knob("PUT", "/limits", {"daily": 1})
            self.sf.limits()
            self.refused(SalesforceRefusedRequest, "REQUEST_LIMIT_EXCEEDED", self.sf.limits)
        finally:
            knob("PUT", "/limits", {})
        try:
            knob("PUT", "/duplicate_rule", {"rule": "alert"})
            self.contact(Email="twice@example.com")
            self.refused(SalesforceMalformedRequest, "DUPLICATES_DETECTED", self.contact, Email="twice@example.com")
            saved = self.sf.Contact.create({"LastName": "x", "Email": "twice@example.com"}, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"})
            self.assertTrue(saved["success"])
        finally:
            knob("PUT", "/duplicate_rule", {"rule": "off"})
