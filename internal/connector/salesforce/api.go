package salesforce

import "encoding/json"

// queryPage is an answer of query and queryAll.
type queryPage struct {
	TotalSize *int   `json:"totalSize"`
	Done      *bool  `json:"done"`
	Next      string `json:"nextRecordsUrl"`
	Records   []row  `json:"records"`
}

// row is a record as Salesforce writes it: "attributes" and the fields asked for.
type row map[string]json.RawMessage

// sobject is an entry of the global list and the head of a description.
type sobject struct {
	Name       string  `json:"name"`
	Label      string  `json:"label"`
	Custom     bool    `json:"custom"`
	Createable bool    `json:"createable"`
	Updateable bool    `json:"updateable"`
	Queryable  bool    `json:"queryable"`
	Setting    bool    `json:"customSetting"`
	Fields     []field `json:"fields"`
}

// field is a field as describe tells it.
type field struct {
	Name              string   `json:"name"`
	Label             string   `json:"label"`
	Type              string   `json:"type"`
	Length            int      `json:"length"`
	Nillable          bool     `json:"nillable"`
	Createable        bool     `json:"createable"`
	Updateable        bool     `json:"updateable"`
	DefaultedOnCreate bool     `json:"defaultedOnCreate"`
	Unique            bool     `json:"unique"`
	ExternalID        bool     `json:"externalId"`
	Restricted        bool     `json:"restrictedPicklist"`
	ReferenceTo       []string `json:"referenceTo"`
	Compound          string   `json:"compoundFieldName"`
	Controller        string   `json:"controllerName"`
	Options           []struct {
		Value  string `json:"value"`
		Label  string `json:"label"`
		Active bool   `json:"active"`
	} `json:"picklistValues"`
}

// written is a collection's answer for one row.
type written struct {
	ID      string          `json:"id"`
	Success *bool           `json:"success"`
	Created bool            `json:"created"`
	Errors  json.RawMessage `json:"errors"`
}

// problem is one error as Salesforce writes it: with errorCode for a call, with
// statusCode for a row of a collection.
type problem struct {
	ErrorCode  string          `json:"errorCode"`
	StatusCode string          `json:"statusCode"`
	Message    string          `json:"message"`
	Fields     []string        `json:"fields"`
	Duplicates json.RawMessage `json:"duplicateResult"`
}

func (p problem) code() string {
	if p.StatusCode != "" {
		return p.StatusCode
	}
	return p.ErrorCode
}

// deletedLog is the answer of getDeleted: guide/resources-getdeleted.
type deletedLog struct {
	Records []struct {
		ID string `json:"id"`
		At string `json:"deletedDate"`
	} `json:"deletedRecords"`
	Earliest string `json:"earliestDateAvailable"`
	Latest   string `json:"latestDateCovered"`
}
