package restapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/restjson"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// parameters makes the one call of Systems Manager that a function needs. The
// SDK's client knows some 140 others and makes the function 1.2 MB larger
// (docs/adr/0008-the-parameter-store-without-its-client.md). Credentials,
// signature, HTTP client and the form of errors are the SDK's all the same.
type parameters struct{ config aws.Config }

// maxParameter is more than the largest answer: a value has 8 KB at most.
const maxParameter = 64 << 10 // bytes

// GetParameter returns the value of a parameter, decrypted. It is called once.
// Errors are such as the SDK's client gives, for awscall to judge.
//
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
func (p parameters) GetParameter(ctx context.Context, name string) (string, error) {
	body, err := json.Marshal(map[string]any{"Name": name, "WithDecryption": true})
	if err != nil {
		return "", &smithy.SerializationError{Err: err}
	}
	r, err := p.request(ctx, body)
	if err != nil {
		return "", err
	}
	resp, err := p.config.HTTPClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxParameter))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", refusal(resp, answer)
	}
	var out struct{ Parameter struct{ Value string } }
	if err := json.Unmarshal(answer, &out); err != nil {
		return "", &smithy.DeserializationError{Err: err}
	}
	return out.Parameter.Value, nil
}

// request is the call, signed.
func (p parameters) request(ctx context.Context, body []byte) (*http.Request, error) {
	at := cmp.Or(aws.ToString(p.config.BaseEndpoint), "https://ssm."+p.config.Region+"."+domain(p.config.Region))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(at, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, &smithy.SerializationError{Err: err}
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonSSM.GetParameter")
	who, err := p.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return r, v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "ssm", p.config.Region, time.Now())
}

// domains are those of partitions other than the commercial one and GovCloud,
// by how their regions begin.
var domains = map[string]string{
	"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu",
	"us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov", "us-isof-": "csp.hci.ic.gov", "eu-isoe-": "cloud.adc-e.uk",
}

func domain(region string) string {
	for prefix, name := range domains {
		if strings.HasPrefix(region, prefix) {
			return name
		}
	}
	return "amazonaws.com"
}

// refusal is the error that the SDK would make of an answer. One that names no
// code, in words of somebody between us and the service, says nothing of what
// the service did.
func refusal(resp *http.Response, answer []byte) error {
	said, err := restjson.GetSmithyGenericAPIError(json.NewDecoder(bytes.NewReader(answer)),
		restjson.SanitizeErrorCode(resp.Header.Get("X-Amzn-Errortype")))
	if err != nil {
		err = &smithy.DeserializationError{Err: err}
	} else {
		said.Code = cmp.Or(said.Code, "UnknownError")
		err = said
	}
	return &smithy.OperationError{ServiceID: "SSM", OperationName: "GetParameter", Err: &awshttp.ResponseError{
		RequestID:     resp.Header.Get("X-Amzn-Requestid"),
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: err},
	}}
}
