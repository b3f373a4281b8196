"""HubSpot's own client for Python (hubspot-api-client) against the fake.

LOCKSTEP_FAKE_HUBSPOT holds the address of a fake that nobody else uses.
"""

import json
import os
import unittest
import urllib.error
import urllib.parse
import urllib.request

from hubspot import HubSpot
from hubspot.crm.associations import ApiException as AssociationError
from hubspot.crm.associations import (
    BatchInputPublicAssociation,
    BatchInputPublicObjectId,
    PublicAssociation,
    PublicObjectId,
)
from hubspot.crm.associations.v4 import ApiException as LabelError
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicAssociationMultiArchive,
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicDefaultAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
)
from hubspot.crm.contacts import ApiException as ContactError
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicGdprDeleteInput,
    PublicMergeInput,
    PublicObjectSearchRequest,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.pipelines import ApiException as PipelineError
from hubspot.crm.pipelines import (
    PipelineInput,
    PipelinePatchInput,
    PipelineStageInput,
    PipelineStagePatchInput,
)
from hubspot.crm.properties import ApiException as PropertyError
from hubspot.crm.properties import (
    BatchInputPropertyCreate,
    BatchInputPropertyName,
    BatchReadInputPropertyName,
    PropertyCreate,
    PropertyGroupCreate,
    PropertyGroupUpdate,
    PropertyUpdate,
)
from hubspot.oauth import ApiException as GrantError
from urllib3.util.retry import Retry

BASE = os.environ["LOCKSTEP_FAKE_HUBSPOT"]
TOKEN = "pat-fake-private-app"  # opens a fake
CLIENT = {"client_id": "fake-client-id", "client_secret": "fake-client-secret"}
UNIQUE = "lockstep_key"


def knob(method, path, body=None):
    """Turns a knob of the fake, and returns what it answers."""
    data = None if body is None else json.dumps(body).encode()
    req = urllib.request.Request(BASE + "/_fake" + path, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(req) as resp:
        return json.load(resp)


def client(token=TOKEN, **more):
    """A client as an application makes it, but for the address."""
    return HubSpot(access_token=token, host=BASE, **more)


class HubSpotClient(unittest.TestCase):
    """Every test makes its own records."""

    def setUp(self):
        self.api = client()
        self.contacts = self.api.crm.contacts
        self.mark = self.id().rsplit(".", 1)[-1].replace("_", "-")

    def refused(self, error, status, call, *args, **kwargs):
        """Makes a call that has to be refused, and returns the refusal's body."""
        with self.assertRaises(error) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        return json.loads(caught.exception.body) if caught.exception.body else {}

    def contact(self, name="a", **properties):
        properties = {"email": f"{name}.{self.mark}@example.com", **properties}
        return self.contacts.basic_api.create(SimplePublicObjectInputForCreate(properties=properties))

    def company(self, **properties):
        return self.api.crm.companies.basic_api.create({"properties": {"name": self.mark, **properties}})

    def deal(self, **properties):
        return self.api.crm.deals.basic_api.create({"properties": {"dealname": self.mark, "dealstage": "closedwon", **properties}})

    def test_one_record(self):
        basic = self.contacts.basic_api
        made = self.contact(lastname="O’Neill 🎉")
        self.assertEqual(made.properties["lastname"], "O’Neill 🎉")
        self.assertIsNotNone(made.created_at.tzinfo)
        body = self.refused(ContactError, 409, self.contact)
        self.assertEqual(body["category"], "CONFLICT")
        self.assertTrue(body["message"].endswith(f"Existing ID: {made.id}"), body)
        read = basic.get_by_id(made.properties["email"], id_property="email", properties=["lastname", "no_such_property"], archived=False)
        self.assertEqual(read.id, made.id)
        self.assertNotIn("no_such_property", read.properties)
        changed = basic.update(made.id, SimplePublicObjectInput(properties={"lastname": ""}))
        self.assertIsNone(changed.properties["lastname"])
        past = basic.get_by_id(made.id, properties_with_history=["lastname"]).properties_with_history["lastname"]
        self.assertEqual([v.value for v in past], ["", "O’Neill 🎉"])
        body = self.refused(ContactError, 400, basic.update, made.id, SimplePublicObjectInput(properties={"no_such_property": "x"}))
        self.assertEqual(body["errors"][0]["code"], "PROPERTY_DOESNT_EXIST")
        basic.archive(made.id)
        self.refused(ContactError, 404, basic.get_by_id, made.id)
        self.assertTrue(basic.get_by_id(made.id, archived=True).archived)  # the client writes "True"
        self.refused(ContactError, 404, basic.get_by_id, "999999999")
        self.refused(ContactError, 404, basic.update, "999999999", SimplePublicObjectInput(properties={"lastname": "x"}))

    def test_paging(self):
        basic = self.contacts.basic_api
        knob("POST", "/seed", {"people": 250, "slot": 0})
        seen, after = [], None
        while True:
            page = basic.get_page(limit=100, after=after, properties=["email", "firstname"], archived=False)
            seen += [r.id for r in page.results]
            if page.paging is None:
                break
            after = page.paging.next.after
        self.assertGreaterEqual(len(seen), 250)
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(sorted(seen), sorted(r.id for r in self.contacts.get_all()))
        self.refused(ContactError, 400, basic.get_page, limit=101)
        gone = self.contact()
        basic.archive(gone.id)
        self.assertIn(gone.id, [r.id for r in self.contacts.get_all(archived=True)])

    def test_batches(self):
        batch = self.contacts.batch_api
        rows = [{"objectWriteTraceId": t, "properties": {"email": m, "firstname": t}} for t, m in (
            ("a", f"a.{self.mark}@example.com"), ("b", "not an address"), ("c", f"c.{self.mark}@example.com"))]
        out = batch.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows))
        self.assertEqual((out.num_errors, len(out.results)), (1, 2))
        self.assertEqual(out.errors[0].context["objectWriteTraceId"], ["b"])
        ids = {r.properties["firstname"]: r.id for r in out.results}
        plain = [{"properties": {"email": f"d.{self.mark}@example.com"}}, rows[0] | {"objectWriteTraceId": None}]
        self.refused(ContactError, 409, batch.create, BatchInputSimplePublicObjectBatchInputForCreate(inputs=plain))
        read = batch.read(BatchReadInputSimplePublicObjectId(
            id_property="email", properties=["firstname"], properties_with_history=[], inputs=[{"id": f"A.{self.mark}@example.com"}, {"id": "nobody@example.com"}]))
        self.assertEqual([r.id for r in read.results], [ids["a"]])
        self.assertEqual(read.errors[0].category, "OBJECT_NOT_FOUND")
        changed = batch.update(BatchInputSimplePublicObjectBatchInput(inputs=[
            {"id": ids["a"], "properties": {"firstname": "Ruth"}}, {"id": "999999999", "properties": {"firstname": "X"}}]))
        self.assertEqual(changed.results[0].properties["firstname"], "Ruth")
        self.assertEqual(changed.num_errors, 1)
        upsert = lambda **p: batch.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=[{"id": self.mark, "idProperty": UNIQUE, "properties": p}]))
        first, again = upsert(lastname="One").results[0], upsert(lastname="Two").results[0]
        self.assertEqual((first.new, again.new, first.id), (True, False, again.id))
        batch.archive(BatchInputSimplePublicObjectId(inputs=[{"id": ids["a"]}, {"id": ids["c"]}]))
        self.refused(ContactError, 404, self.contacts.basic_api.get_by_id, ids["c"])
        many = [{"properties": {"email": f"{i}.{self.mark}@example.com"}} for i in range(101)]
        self.refused(ContactError, 400, batch.create, BatchInputSimplePublicObjectBatchInputForCreate(inputs=many))

    def test_search(self):
        search = self.contacts.search_api
        wanted = sorted(self.contact(n, city=self.mark).id for n in "abc")

        def query(limit, after=None, **more):
            return PublicObjectSearchRequest(
                filter_groups=[FilterGroup(filters=[Filter(property_name="city", operator="EQ", value=self.mark)])],
                sorts=[{"propertyName": "createdate", "direction": "ASCENDING"}], properties=["city"], limit=limit, after=after, **more)

        found, after = [], None
        while True:
            page = search.do_search(query(2, after))
            self.assertEqual(page.total, 3)
            found += [r.id for r in page.results]
            if page.paging is None:
                break
            after = page.paging.next.after
        self.assertEqual(sorted(found), wanted)
        self.refused(ContactError, 400, search.do_search, query(201))

    def test_associations(self):
        v4 = self.api.crm.associations.v4
        contact, company, deal = self.contact(), self.company(), self.deal()
        spec = lambda n: AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=n)
        made = v4.basic_api.create_default("contacts", contact.id, "companies", company.id)
        self.assertEqual({r.association_spec.association_type_id for r in made.results}, {279, 280})
        labelled = v4.basic_api.create("contacts", contact.id, "companies", company.id, [spec(1)])
        self.assertEqual((labelled.labels, labelled.to_object_id), (["Primary"], company.id))
        page = v4.basic_api.get_page("contacts", contact.id, "companies", limit=500)
        self.assertEqual([(r.to_object_id, {t.type_id for t in r.association_types}) for r in page.results], [(company.id, {1, 279})])
        back = v4.basic_api.get_page("companies", company.id, "contacts")
        self.assertEqual({t.label for t in back.results[0].association_types}, {None, "Primary"})
        body = self.refused(LabelError, 400, v4.basic_api.create, "deals", deal.id, "companies", company.id, [spec(1)])
        self.assertIn("INVALID_OBJECT_IDS", body["context"])
        names = v4.schema.definitions_api.get_all("contacts", "companies").results
        self.assertEqual({n.type_id for n in names}, {1, 279})

        pair = {"from": {"id": contact.id}, "to": {"id": deal.id}}
        out = v4.batch_api.create("contacts", "deals", BatchInputPublicAssociationMultiPost(inputs=[pair | {"types": [spec(4)]}]))
        self.assertEqual([(r.from_object_id, r.to_object_id) for r in out.results], [(contact.id, deal.id)])
        ask = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": contact.id}, {"id": "999999999"}])
        read = v4.batch_api.get_page("contacts", "deals", ask)
        self.assertEqual(read.results[0].to[0].to_object_id, deal.id)
        self.assertEqual(read.num_errors, 1)
        with_them = self.contacts.basic_api.get_by_id(contact.id, associations=["companies", "deals"]).associations
        self.assertEqual({a.id for a in with_them["companies"].results}, {company.id})
        v4.batch_api.archive_labels("contacts", "companies", BatchInputPublicAssociationMultiPost(
            inputs=[{"from": {"id": contact.id}, "to": {"id": company.id}, "types": [spec(1)]}]))
        page = v4.basic_api.get_page("contacts", contact.id, "companies")
        self.assertEqual([t.type_id for t in page.results[0].association_types], [279])
        v4.basic_api.archive("contacts", contact.id, "companies", company.id)
        v4.batch_api.archive("contacts", "deals", BatchInputPublicAssociationMultiArchive(inputs=[{"from": {"id": contact.id}, "to": [{"id": deal.id}]}]))
        for to in ("companies", "deals"):
            self.assertEqual(v4.basic_api.get_page("contacts", contact.id, to).results, [])
        v4.batch_api.create_default("contacts", "deals", BatchInputPublicDefaultAssociationMultiPost(inputs=[pair]))

        v3 = self.api.crm.associations.batch_api
        old = v3.read("contacts", "deals", BatchInputPublicObjectId(inputs=[PublicObjectId(id=contact.id)]))
        self.assertEqual([(r.id, r.type) for r in old.results[0].to], [(deal.id, "contact_to_deal")])
        named = BatchInputPublicAssociation(inputs=[PublicAssociation(
            _from=PublicObjectId(id=contact.id), to=PublicObjectId(id=company.id), type="contact_to_company_unlabeled")])
        self.assertEqual(v3.create("contacts", "companies", named).results[0].to.id, company.id)
        v3.archive("contacts", "companies", named)
        self.assertEqual(v3.read("contacts", "companies", BatchInputPublicObjectId(inputs=[PublicObjectId(id=contact.id)])).num_errors, 1)
        self.refused(AssociationError, 400, v3.create, "contacts", "nothings", named)

    def test_create_with_associations(self):
        company = self.company()
        made = self.contacts.basic_api.create(SimplePublicObjectInputForCreate(
            properties={"email": f"a.{self.mark}@example.com"},
            associations=[{"to": {"id": company.id}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}]))
        page = self.api.crm.associations.v4.basic_api.get_page("companies", company.id, "contacts")
        self.assertEqual([r.to_object_id for r in page.results], [made.id])

    def test_merges(self):
        basic = self.contacts.basic_api
        keep, lose = self.contact("keep", city="A"), self.contact("lose", city="B", phone="1")
        deal = self.deal()
        self.api.crm.associations.v4.basic_api.create_default("contacts", lose.id, "deals", deal.id)
        survivor = basic.merge(PublicMergeInput(primary_object_id=keep.id, object_id_to_merge=lose.id))
        fields = ["city", "phone", "email", "hs_merged_object_ids"]
        for old in (keep.id, lose.id, survivor.id):
            self.assertEqual(basic.get_by_id(old, properties=fields).id, survivor.id)
        now = basic.get_by_id(survivor.id, properties=fields).properties
        self.assertEqual((now["city"], now["phone"], now["email"]), ("A", "1", keep.properties["email"]))
        self.assertLessEqual({lose.id}, set(now["hs_merged_object_ids"].split(";")))
        page = self.api.crm.associations.v4.basic_api.get_page("deals", deal.id, "contacts")
        self.assertEqual([r.to_object_id for r in page.results], [survivor.id])
        self.refused(ContactError, 409, basic.create, SimplePublicObjectInputForCreate(properties={"email": lose.properties["email"]}))
        basic.purge(PublicGdprDeleteInput(object_id=survivor.id))
        self.refused(ContactError, 404, basic.get_by_id, survivor.id)

    def test_properties_and_groups(self):
        props = self.api.crm.properties
        props.groups_api.create("contacts", PropertyGroupCreate(name="extra", label="Extra", display_order=2))
        self.refused(PropertyError, 409, props.groups_api.create, "contacts", PropertyGroupCreate(name="extra", label="Extra"))
        self.assertEqual(props.groups_api.update("contacts", "extra", PropertyGroupUpdate(label="More")).label, "More")
        self.assertIn("contactinformation", [g.name for g in props.groups_api.get_all("contacts").results])
        size = PropertyCreate(name="shoe_size", label="Shoe size", type="number", field_type="number", group_name="extra")
        made = props.core_api.create("contacts", size)
        self.assertFalse(made.has_unique_value)
        self.assertEqual(self.refused(PropertyError, 409, props.core_api.create, "contacts", size)["category"], "OBJECT_ALREADY_EXISTS")
        self.assertEqual(props.core_api.update("contacts", "shoe_size", PropertyUpdate(label="Size", description="EU")).label, "Size")
        self.assertEqual(props.core_api.get_by_name("contacts", "shoe_size").description, "EU")
        self.refused(PropertyError, 400, props.core_api.update, "contacts", "createdate", PropertyUpdate(label="Made"))
        self.assertEqual(self.contact(shoe_size="42").id, self.contacts.basic_api.get_by_id(f"a.{self.mark}@example.com", id_property="email").id)
        out = props.batch_api.create("contacts", BatchInputPropertyCreate(inputs=[PropertyCreate(
            name="colour", label="Colour", type="enumeration", field_type="select", group_name="extra", options=[
                {"label": "Red", "value": "red", "displayOrder": 0, "hidden": False}])]))
        self.assertEqual(out.results[0].options[0].value, "red")
        names = [{"name": "colour"}, {"name": "shoe_size"}]
        read = props.batch_api.read("contacts", BatchReadInputPropertyName(archived=False, inputs=names))
        self.assertEqual({p.name for p in read.results}, {"colour", "shoe_size"})
        self.refused(PropertyError, 400, props.groups_api.archive, "contacts", "extra")
        props.core_api.archive("contacts", "shoe_size")
        props.batch_api.archive("contacts", BatchInputPropertyName(inputs=[{"name": "colour"}]))
        self.refused(PropertyError, 404, props.core_api.get_by_name, "contacts", "shoe_size")
        self.assertIn("shoe_size", [p.name for p in props.core_api.get_all("contacts", archived=True).results])
        props.groups_api.archive("contacts", "extra")
        self.refused(PropertyError, 404, props.groups_api.get_by_name, "contacts", "extra")

    def test_pipelines(self):
        pipes = self.api.crm.pipelines
        default = pipes.pipelines_api.get_by_id("deals", "default")
        self.assertIn("closedwon", [s.id for s in default.stages])
        stage = lambda label, chance: PipelineStageInput(label=label, display_order=0, metadata={"probability": chance})
        made = pipes.pipelines_api.create("deals", PipelineInput(label=self.mark, display_order=1, stages=[stage("First", "0.1")]))
        self.refused(PipelineError, 409, pipes.pipelines_api.create, "deals", PipelineInput(label=self.mark, display_order=1, stages=[]))
        self.assertEqual({p.id for p in pipes.pipelines_api.get_all("deals").results}, {"default", made.id})
        won = pipes.pipeline_stages_api.create("deals", made.id, stage("Won", "1.0"))
        self.assertEqual(won.metadata["isClosed"], "true")
        renamed = pipes.pipeline_stages_api.update("deals", made.id, won.id, PipelineStagePatchInput(label="Signed", metadata={"probability": "1.0"}))
        self.assertEqual(renamed.label, "Signed")
        self.deal(pipeline=made.id, dealstage=won.id)
        self.assertEqual(pipes.pipelines_api.update("deals", made.id, PipelinePatchInput(label="Other")).label, "Other")
        self.refused(PipelineError, 400, pipes.pipelines_api.archive, "deals", made.id, validate_deal_stage_usages_before_delete=True)
        pipes.pipeline_stages_api.archive("deals", made.id, won.id)
        self.assertEqual([s.label for s in pipes.pipeline_stages_api.get_all("deals", made.id).results], ["First"])
        replaced = pipes.pipelines_api.replace("deals", made.id, PipelineInput(label="New", display_order=3, stages=[stage("Only", "0.5")]))
        self.assertEqual([s.label for s in replaced.stages], ["Only"])
        self.assertEqual({a.action for a in pipes.pipeline_audits_api.get_audit("deals", made.id).results}, {"CREATE", "UPDATE"})
        pipes.pipelines_api.archive("deals", made.id)
        self.refused(PipelineError, 404, pipes.pipelines_api.get_by_id, "deals", made.id)

    def test_domains(self):
        self.assertEqual(self.company(domain="HTTPS://www.Acme.com/").properties["domain"], "acme.com")

    def test_owners(self):
        owners = self.api.crm.owners.owners_api
        page = owners.get_page(email="robin@example.com", limit=100, archived=False)
        self.assertEqual([o.email for o in page.results], ["robin@example.com"])
        self.assertEqual(owners.get_by_id(int(page.results[0].id)).last_name, "Sample")
        everybody = owners.get_page().results
        first = owners.get_page(limit=2)
        rest = owners.get_page(limit=2, after=first.paging.next.after)
        self.assertEqual([o.id for o in first.results + rest.results], [o.id for o in everybody])
        self.assertIsNone(rest.paging)
        self.assertEqual([o.id for o in self.api.crm.owners.get_all()], [o.id for o in everybody])
        self.assertEqual(owners.get_page(archived=True).results, [])

    def test_long_addresses(self):
        names = [f"no_such_property_{i:04d}" for i in range(1000)]
        with self.assertRaises(ContactError) as caught:
            self.contacts.basic_api.get_page(properties=names)
        self.assertEqual(caught.exception.status, 414)

    def test_limits(self):
        try:
            knob("PUT", "/limits", {"calls": 1, "window": "1s"})
            self.contacts.basic_api.get_page(limit=1)
            body = self.refused(ContactError, 429, self.contacts.basic_api.get_page, limit=1)
            self.assertEqual(body["policyName"], "TEN_SECONDLY_ROLLING")
            before = knob("GET", "/requests")["throttled"]
            patient = client(retry=Retry(total=6, backoff_factor=0.2, status_forcelist=(429,)))
            patient.crm.contacts.basic_api.get_page(limit=1)  # waits and asks again, by itself
            self.assertGreater(knob("GET", "/requests")["throttled"], before)
        finally:
            knob("PUT", "/limits", {})

    def test_tokens(self):
        own = HubSpot(host=BASE)
        self.refused(ContactError, 401, client("nobody's").crm.contacts.basic_api.get_page)
        # The consent page sends the browser back with a code.
        address = BASE + "/oauth/authorize?client_id=fake-client-id&redirect_uri=http%3A%2F%2F127.0.0.1%2Fback&scope=crm.objects.contacts.read"

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args):
                return None

        with self.assertRaises(urllib.error.HTTPError) as sent:
            urllib.request.build_opener(Stay).open(address)
        code = urllib.parse.parse_qs(urllib.parse.urlparse(sent.exception.headers["Location"]).query)["code"][0]
        grant = own.oauth.tokens_api.create(grant_type="authorization_code", code=code, redirect_uri="http://127.0.0.1/back", **CLIENT)
        self.assertEqual(grant.expires_in, 1800)
        mine = client(grant.access_token)
        self.assertEqual(len(mine.crm.contacts.basic_api.get_page(limit=1).results), 1)
        self.refused(ContactError, 403, mine.crm.contacts.basic_api.create, SimplePublicObjectInputForCreate(properties={"email": "x@example.com"}))
        self.assertEqual(own.oauth.access_tokens_api.get(grant.access_token).hub_id, 44332211)
        self.assertEqual(own.oauth.refresh_tokens_api.get(grant.refresh_token).client_id, "fake-client-id")
        again = own.oauth.tokens_api.create(grant_type="refresh_token", refresh_token=grant.refresh_token, **CLIENT)
        self.assertNotEqual(again.access_token, grant.access_token)
        own.oauth.refresh_tokens_api.archive(grant.refresh_token)
        self.refused(GrantError, 404, own.oauth.refresh_tokens_api.get, grant.refresh_token)
        self.refused(GrantError, 400, own.oauth.tokens_api.create, grant_type="refresh_token", refresh_token=grant.refresh_token, **CLIENT)
        self.refused(ContactError, 401, client(again.access_token).crm.contacts.basic_api.get_page)
