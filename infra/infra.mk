# The CDK app: a Go module of its own, so that the CDK stays out of the
# programs' version graph. STAGE is dev or prod; CONTEXT holds further values
# as docs/deploy.md lists them: make deploy STAGE=prod CONTEXT="alertEmail=…"

STAGE ?= dev
CONTEXT ?=

INFRA_TOOLS := infra/_tools/node_modules/.package-lock.json
CDK = infra/_tools/node_modules/.bin/cdk
# The folder is given whole: the app runs in infra, and what the tool names it by has to be found from there too.
CDK_ARGS = -o $(CURDIR)/cdk.out --no-notices --no-version-reporting -c stage=$(STAGE) $(foreach c,$(CONTEXT),-c $(c))

# The CDK speaks to Node through jsii, which complains of Node 20 at each start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION ?= 20

.PHONY: units test-infra synth diff deploy destroy infra-tools aws-credentials

test: test-infra

# The built-in validator costs ten times the tests; synth has it. No -race: the
# bridge to Node has races of its own.
test-infra: ## the template against P1-P13 of docs/invariants.md (a cold build takes a minute or two)
	CDK_VALIDATION=false CGO_ENABLED=0 $(GO) -C infra test -p 1 ./...

synth: lambda $(INFRA_TOOLS) ## the CloudFormation template of STAGE (dev), validated, in cdk.out; no credentials
	CGO_ENABLED=0 $(CDK) synth -q $(CDK_ARGS)
	node infra/_tools/packs.mjs cdk.out

diff: aws-credentials lambda $(INFRA_TOOLS) ## what deploy would change
	CGO_ENABLED=0 $(CDK) diff $(CDK_ARGS)

deploy: aws-credentials lambda $(INFRA_TOOLS) ## create or change the stack of STAGE (dev) in your AWS account: docs/deploy.md
	CGO_ENABLED=0 $(CDK) deploy $(CDK_ARGS) --require-approval broadening

destroy: aws-credentials lambda $(INFRA_TOOLS) ## remove the stack of STAGE (dev); prod keeps its data
	CGO_ENABLED=0 $(CDK) destroy $(CDK_ARGS)

# Said before anything is built.
aws-credentials:
	@if [ -z "$${AWS_PROFILE:-}$${AWS_ACCESS_KEY_ID:-}$${AWS_WEB_IDENTITY_TOKEN_FILE:-}$${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}$${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] \
		&& [ ! -s "$${AWS_SHARED_CREDENTIALS_FILE:-$$HOME/.aws/credentials}" ] && [ ! -s "$${AWS_CONFIG_FILE:-$$HOME/.aws/config}" ]; then \
		echo "make $(firstword $(MAKECMDGOALS)): no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION; see docs/deploy.md" >&2; exit 1; fi

units: standins ## what is consumed of DynamoDB, on its stand-in: docs/cost.md turns it into money
	$(GO) run ./scripts/units

infra-tools: $(INFRA_TOOLS)

$(INFRA_TOOLS): infra/_tools/package.json infra/_tools/package-lock.json
	cd infra/_tools && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@
