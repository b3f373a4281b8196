package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

const (
	// flowPeople are on each side when deliveries begin.
	flowPeople = 1000
	// deliveries of so many events each are sent one after the other.
	deliveries, eventsEach = 200, 100
	// takeIn is the longest that the slowest in a hundred of them may take.
	takeIn = 100.0 // ms
)

// measureFlow runs the built program on a data folder on disk, with its fakes
// in processes of their own, and times how long it takes deliveries in while it
// works what they tell it.
func measureFlow(ctx context.Context, binary string) (figures []figure, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, c, stop, err := serve(ctx, binary, flowPeople)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, stop()) }()
	con, err := c.firstSync(ctx)
	if err != nil {
		return nil, err
	}
	hook, err := c.hook(ctx, con)
	if err != nil {
		return nil, err
	}
	ids, err := contactIDs(ctx, c.hub)
	if err != nil {
		return nil, err
	}
	took := make([]float64, deliveries)
	for i := range took {
		body, err := delivery(ids, i)
		if err != nil {
			return nil, err
		}
		if took[i], err = deliver(ctx, hook, body); err != nil {
			return nil, fmt.Errorf("delivery %d: %w", i, err)
		}
	}
	slices.Sort(took)
	return []figure{
		shown("webhook of 100 events, middle of 200, ms", took[deliveries/2], "%.1f"),
		atMost("webhook of 100 events, p99 of 200, ms", takeIn, took[deliveries*99/100-1], "%.1f"),
		shown("webhook of 100 events, slowest of 200, ms", took[deliveries-1], "%.1f"),
	}, nil
}

// hook is the address at which the left account's app calls.
func (c *client) hook(ctx context.Context, con string) (string, error) {
	var hooks struct {
		Items []struct {
			Side string `json:"side"`
			URL  string `json:"url"`
		} `json:"items"`
	}
	if err := c.Call(ctx, http.MethodGet, "/v1/connections/"+con+"/webhooks", nil, &hooks); err != nil {
		return "", err
	}
	for _, h := range hooks.Items {
		if h.Side == "left" {
			return h.URL, nil
		}
	}
	return "", fmt.Errorf("no webhook address of the left side among %d", len(hooks.Items))
}

// contactIDs lists the fake's contacts as any client of HubSpot would.
func contactIDs(ctx context.Context, hub string) ([]string, error) {
	app := apiclient.New(hub, hubspotfake.PrivateToken)
	var ids []string
	for after := "0"; ; {
		var page struct {
			Results []struct {
				ID string `json:"id"`
			} `json:"results"`
			Paging struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		if err := app.Call(ctx, http.MethodGet, "/crm/v3/objects/contacts?limit=100&after="+after, nil, &page); err != nil {
			return nil, fmt.Errorf("list the fake's contacts: %w", err)
		}
		for _, r := range page.Results {
			ids = append(ids, r.ID)
		}
		if after = page.Paging.Next.After; after == "" {
			break
		}
	}
	if len(ids) < eventsEach {
		return nil, fmt.Errorf("the fake has only %d contacts", len(ids))
	}
	return ids, nil
}

// delivery is the body of one with a change of as many contacts as fit.
func delivery(ids []string, serial int) ([]byte, error) {
	now := time.Now().UnixMilli()
	events := make([]map[string]any, eventsEach)
	for i := range events {
		n := serial*eventsEach + i
		events[i] = map[string]any{
			"eventId": n, "subscriptionId": 100, "portalId": hubspotfake.PortalID, "appId": hubspotfake.AppID, "occurredAt": now,
			"subscriptionType": "contact.propertyChange", "propertyName": "jobtitle", "propertyValue": "Cooper",
			"changeSource":  "CRM_UI",
			"attemptNumber": 0, "objectId": json.Number(ids[n%len(ids)]),
		}
	}
	return json.Marshal(events)
}

// deliver posts a signed delivery and returns the milliseconds until its answer.
func deliver(ctx context.Context, hook string, body []byte) (ms float64, err error) {
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-HubSpot-Request-Timestamp", stamp)
	req.Header.Set("X-HubSpot-Signature-v3", hubspotfake.Sign(hubspotfake.ClientSecret, http.MethodPost, hook, body,
		stamp))
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %.300s", resp.Status, answer)
	}
	return float64(took.Microseconds()) / 1000, nil
}
