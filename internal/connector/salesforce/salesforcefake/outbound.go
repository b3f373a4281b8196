package salesforcefake

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// notification is what an event carries: the record as of sending, under an ID
// that stays the same however often it is sent.
type notification struct {
	id     string
	object *object
	record *fakekit.Record
}

// notify queues an outbound message for a created or changed record. There are
// none for deletions.
// Source: atlas.en-us.246.0.api.meta/api/sforce_api_om_outboundmessaging_notifications.htm.
func (f *org) notify(o *object, r *fakekit.Record) {
	f.lastID++
	e := fakekit.Event{
		Object: o.name, ID: r.ID, Kind: "changed", At: r.Modified, Data: notification{newID("04l", f.lastID), o, r},
	}
	if f.tx != nil {
		f.tx.events = append(f.tx.events, e)
		return
	}
	f.core.Emit(e)
}

// PackLimit implements fakekit.App: up to 100 notifications per message.
func (*org) PackLimit() int { return 100 }

// Pack implements fakekit.App. There is no signature and no secret but the URL.
// Source: platform/api/guide/sforce-api-om-outboundmessaging-wsdl.
func (f *org) Pack(hook fakekit.Webhooks, events []fakekit.Event, _ int, _ time.Time) fakekit.Packed {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>` +
		`<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>` + orgID +
		`</OrganizationId><ActionId>` + newID("04k", 1) + `</ActionId><SessionId xsi:nil="true"/>` +
		`<EnterpriseUrl>https://made-up.my.salesforce.com/services/Soap/c/67.0/` + orgID[:15] +
		`</EnterpriseUrl><PartnerUrl>https://made-up.my.salesforce.com/services/Soap/u/67.0/` + orgID[:15] + `</PartnerUrl>`)
	for _, e := range events {
		n, ok := e.Data.(notification)
		if !ok {
			continue
		}
		b.WriteString(`<Notification><Id>` + n.id + `</Id><sObject xsi:type="sf:` + n.object.name +
			`" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>` + n.record.ID + `</sf:Id>`)
		for _, name := range []string{"Email", "FirstName", "LastName", "Name", "SystemModstamp"} {
			c, known := n.object.column(name)
			if !known {
				continue
			}
			v := get(n.object, n.record, c)
			if name == "SystemModstamp" {
				v = n.record.Modified.UTC().Format("2006-01-02T15:04:05.000Z")
			}
			if v != "" {
				b.WriteString("<sf:" + name + ">")
				_ = xml.EscapeText(&b, []byte(v)) // a buffer takes everything
				b.WriteString("</sf:" + name + ">")
			}
		}
		b.WriteString(`</sObject></Notification>`)
	}
	b.WriteString(`</notifications></soapenv:Body></soapenv:Envelope>`)
	return fakekit.Packed{
		Method: http.MethodPost, URL: hook.URL, Body: b.Bytes(),
		Header: http.Header{
			"Content-Type": {"text/xml; charset=utf-8"}, "SOAPAction": {`""`}, "User-Agent": {"Salesforce Outbound Messaging"},
		},
	}
}

// Accepted implements fakekit.App: 200 with a SOAP Ack of true.
func (*org) Accepted(status int, body []byte) bool {
	if status != http.StatusOK {
		return false
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return false
		}
		s, ok := t.(xml.StartElement)
		if !ok || s.Name.Local != "Ack" || s.Name.Space != "http://soap.sforce.com/2005/09/outbound" {
			continue
		}
		var v string
		if d.DecodeElement(&v, &s) != nil {
			return false
		}
		ack, err := strconv.ParseBool(strings.TrimSpace(v))
		return err == nil && ack
	}
}

// RetryIn implements fakekit.App: twice as long each time up to two hours, for
// 24 hours.
func (*org) RetryIn(attempt int) (time.Duration, bool) {
	wait, gone := time.Minute, time.Duration(0)
	for range attempt - 1 {
		gone += wait
		wait = min(2*wait, 2*time.Hour)
	}
	return wait, gone+wait <= 24*time.Hour
}
