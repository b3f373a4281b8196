package salesforcefake

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// checkActivity applies the rules about tasks and events as wholes. A lead stands
// for itself: what it is about besides is refused. An event has a beginning, and an
// end or a length, of which the other one follows.
// Sources: …/sforce_api_objects_task.htm (WhatId), …/sforce_api_objects_event.htm
// (DurationInMinutes, EndDateTime).
func checkActivity(o *object, r *fakekit.Record) *refusal {
	if o.name != "Task" && o.name != "Event" {
		return nil
	}
	if strings.HasPrefix(r.Fields["WhoId"], "00Q") && r.Fields["WhatId"] != "" {
		return refuse(http.StatusBadRequest, "FIELD_INTEGRITY_EXCEPTION",
			"A lead cannot be associated with other records").about("WhatId")
	}
	if o.name == "Task" {
		r.Set("IsClosed", strconv.FormatBool(r.Fields["Status"] == "Completed"))
		return nil
	}
	start, errS := time.Parse(outLayout, r.Fields["StartDateTime"])
	if errS != nil {
		return refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING",
			"Required fields are missing: [StartDateTime]").about("StartDateTime")
	}
	end, errE := time.Parse(outLayout, r.Fields["EndDateTime"])
	minutes, errM := strconv.Atoi(r.Fields["DurationInMinutes"])
	switch {
	case errE != nil && errM != nil:
		return refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING",
			"Required fields are missing: [EndDateTime]").about("EndDateTime")
	case errE != nil:
		end = start.Add(time.Duration(minutes) * time.Minute)
	}
	if end.Before(start) {
		return refuse(http.StatusBadRequest, "FIELD_INTEGRITY_EXCEPTION",
			"The end of an event is not before its beginning").about("EndDateTime")
	}
	r.Set("EndDateTime", end.UTC().Format(outLayout))
	r.Set("DurationInMinutes", strconv.Itoa(int(end.Sub(start)/time.Minute)))
	return nil
}
