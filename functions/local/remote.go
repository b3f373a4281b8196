package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Where serve keeps what it remembers.
const (
	storeEmbedded = "embedded"
	storeDynamo   = "dynamo"
)

// remote is the storage in AWS that the environment names; Invalid, naming all
// that is missing.
func remote(ctx context.Context, w *world) (*app.Remote, error) {
	const op = "serve: storage"
	names, err := cloud.ReadStorage(w.env)
	if w.env(config.AdminKeyVariable) == "" {
		err = joined(err, "", fault.New(op, fault.Invalid, "invalid_config", config.AdminKeyVariable+
			" is not set: without a data folder no key is generated and kept"))
	}
	c, cerr := sdkConfig(ctx, op)
	if cerr != nil {
		err = joined(err, "", cerr)
	}
	if err != nil {
		return nil, joined(nil, "--store "+storeDynamo+": ", err)
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return nil, fault.New(op, fault.Invalid, "invalid_config",
			"--store "+storeDynamo+": no AWS credentials are found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "+
				"AWS_SECRET_ACCESS_KEY, or give the machine a role")
	}
	return &app.Remote{Storage: names, SDK: func(string) aws.Config { return c }}, nil
}

// sdkConfig is region, credentials and endpoints as the AWS tools find them. As
// in the functions the SDK itself logs nothing: what is wrong with a call is in
// its error, and lines of another form, such as on a call that was broken off,
// would stand between ours.
func sdkConfig(ctx context.Context, op string) (aws.Config, error) {
	c, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return c, fault.New(op, fault.Invalid, "invalid_config", "the settings of the AWS tools cannot be read: "+err.Error())
	}
	if c.Region == "" {
		return c, fault.New(op, fault.Invalid, "invalid_config", "no AWS region is set; set AWS_REGION")
	}
	return c, nil
}
