package stack

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// throttle is how many requests a second a route takes, and how many at once.
type throttle struct{ rate, burst float64 }

var (
	hookThrottle   = throttle{200, 400} // apps deliver in waves and repeat what is refused
	apiThrottle    = throttle{50, 100}
	publicThrottle = throttle{10, 20} // routes that ask for no login
)

// httpRoute is one route of an HTTP API.
type httpRoute struct {
	method   awsapigatewayv2.HttpMethod
	path     string
	function string
	limit    throttle
	login    bool // asks the user pool first, where there is one
}

// webRoutes are those of the address that apps and browsers use. Routes without
// a login check for themselves, or show what anybody may see: hooks have their
// token and signature, an authorisation its single-use state, which a browser
// opens and comes back with.
func webRoutes() []httpRoute {
	get, head, post := awsapigatewayv2.HttpMethod_GET, awsapigatewayv2.HttpMethod_HEAD, awsapigatewayv2.HttpMethod_POST
	return []httpRoute{
		{post, "/hooks/{token}", webhook, hookThrottle, false},
		{get, "/hooks/{token}", webhook, publicThrottle, false},
		{head, "/hooks/{token}", webhook, publicThrottle, false},
		{get, "/", api, publicThrottle, false},
		{get, "/docs/{page+}", api, publicThrottle, false},
		{get, "/v1/health", api, publicThrottle, false},
		{get, "/v1/openapi.json", api, publicThrottle, false},
		{get, "/v1/app-document-schema", api, publicThrottle, false},
		{get, "/v1/oauth/begin", api, publicThrottle, false},
		{get, "/v1/oauth/callback", api, publicThrottle, false},
		{awsapigatewayv2.HttpMethod_ANY, "/v1/{call+}", api, apiThrottle, true},
	}
}

// keyRoutes are those of the address for API keys. A JWT authorizer turns away
// every bearer that is no JWT, so keys need an address of their own; the
// function checks them there.
func keyRoutes() []httpRoute {
	return []httpRoute{{awsapigatewayv2.HttpMethod_ANY, "/v1/{call+}", api, apiThrottle, false}}
}

// addresses are the HTTP APIs before they lead anywhere: functions have to know
// their addresses.
func (s *Stack) addresses() {
	s.web = s.httpAPI("Web", "web", "webhooks, browsers and logged-in users")
	if s.config.Domain != "" {
		s.publicURL = jsii.String("https://" + s.config.Domain)
	} else {
		s.publicURL = s.web.ApiEndpoint()
	}
	s.apiURL = s.publicURL
	if s.config.Users {
		s.keys = s.httpAPI("Keys", "keys", "programs with an API key")
		s.apiURL = s.keys.ApiEndpoint()
		s.userPool()
	}
}

func (s *Stack) httpAPI(id, name, who string) awsapigatewayv2.HttpApi {
	return awsapigatewayv2.NewHttpApi(s.stack, jsii.String(id), &awsapigatewayv2.HttpApiProps{
		ApiName:            jsii.String(s.config.Name(name)),
		Description:        jsii.String("Lockstep " + s.config.Stage + ": " + who),
		CreateDefaultStage: jsii.Bool(false), // ours has limits and logs
		// With a name of one's own, the gateway's is a second door past what stands before it.
		DisableExecuteApiEndpoint: jsii.Bool(id == "Web" && s.config.Domain != ""),
	})
}

// routes lead the addresses to the functions.
func (s *Stack) routes() {
	var login awsapigatewayv2.IHttpRouteAuthorizer
	if s.users != nil {
		login = awsapigatewayv2authorizers.NewHttpJwtAuthorizer(jsii.String("Users"), s.users.UserPoolProviderUrl(),
			&awsapigatewayv2authorizers.HttpJwtAuthorizerProps{JwtAudience: &[]*string{s.client.UserPoolClientId()}})
	}
	stage := s.serve("Web", s.web, webRoutes(), login)
	if s.config.Domain != "" {
		s.domain(stage)
	}
	if s.keys != nil {
		s.serve("Keys", s.keys, keyRoutes(), nil)
	}
}

// serve adds the routes of an address and the stage that opens it.
func (s *Stack) serve(
	id string, on awsapigatewayv2.HttpApi, routes []httpRoute, login awsapigatewayv2.IHttpRouteAuthorizer,
) awsapigatewayv2.CfnStage {
	integrations := map[string]awsapigatewayv2.HttpRouteIntegration{}
	limits := map[string]any{}
	var added []awsapigatewayv2.HttpRoute
	for _, r := range routes {
		if integrations[r.function] == nil {
			integrations[r.function] = awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String(r.function),
				s.functions[r.function],
				&awsapigatewayv2integrations.HttpLambdaIntegrationProps{ScopePermissionToRoute: jsii.Bool(false)})
		}
		options := &awsapigatewayv2.AddRoutesOptions{
			Path: jsii.String(r.path), Methods: &[]awsapigatewayv2.HttpMethod{r.method}, Integration: integrations[r.function],
		}
		if r.login && login != nil {
			options.Authorizer = login
		}
		added = append(added, *on.AddRoutes(options)...)
		// The template takes this map as it is, so names are spelled as it wants them.
		limits[string(r.method)+" "+r.path] = map[string]any{
			"ThrottlingRateLimit": r.limit.rate, "ThrottlingBurstLimit": r.limit.burst,
		}
	}
	stage := awsapigatewayv2.NewCfnStage(s.stack, jsii.String(id+"Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId:                on.ApiId(),
		StageName:            jsii.String("$default"),
		AutoDeploy:           jsii.Bool(true),
		DefaultRouteSettings: limit(publicThrottle),
		RouteSettings:        limits,
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: s.accessLog(id).LogGroupArn(),
			Format:         jsii.String(accessLogFormat()),
		},
	})
	for _, r := range added { // settings for a route that is not there yet are refused
		stage.Node().AddDependency(r)
	}
	return stage
}

func limit(t throttle) *awsapigatewayv2.CfnStage_RouteSettingsProperty {
	return &awsapigatewayv2.CfnStage_RouteSettingsProperty{
		ThrottlingRateLimit: jsii.Number(t.rate), ThrottlingBurstLimit: jsii.Number(t.burst),
		DetailedMetricsEnabled: jsii.Bool(false),
	}
}

func (s *Stack) accessLog(id string) awslogs.LogGroup {
	return s.logGroup(id+"AccessLogs", "/lockstep/"+s.config.Stage+"/access/"+map[string]string{
		"Web": "web", "Keys": "keys",
	}[id])
}

// accessLogFormat is one JSON object a request. It names the route and never
// the path: the path of a hook holds its token (X2).
func accessLogFormat() string {
	fields := map[string]string{
		"time": "$context.requestTime", "request": "$context.requestId", "route": "$context.routeKey",
		"ip": "$context.identity.sourceIp", "status": "$context.status", "bytes": "$context.responseLength",
		"ms": "$context.responseLatency", "function_ms": "$context.integrationLatency",
		"function_error": "$context.integrationErrorMessage", "login_error": "$context.authorizer.error",
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // texts only
	}
	return string(text)
}

// domain gives the web address a name of its own. The name's record at its DNS
// host is the operator's: an alias to the output.
func (s *Stack) domain(stage awsapigatewayv2.CfnStage) {
	name := awsapigatewayv2.NewDomainName(s.stack, jsii.String("Domain"), &awsapigatewayv2.DomainNameProps{
		DomainName: jsii.String(s.config.Domain),
		Certificate: awscertificatemanager.Certificate_FromCertificateArn(s.stack, jsii.String("Certificate"),
			jsii.String(s.config.CertificateARN)),
	})
	mapping := awsapigatewayv2.NewCfnApiMapping(s.stack, jsii.String("DomainMapping"), &awsapigatewayv2.CfnApiMappingProps{
		ApiId: s.web.ApiId(), DomainName: name.Name(), Stage: jsii.String("$default"),
	})
	mapping.Node().AddDependency(stage)
	awscdk.NewCfnOutput(s.stack, jsii.String("DomainTarget"), &awscdk.CfnOutputProps{
		Value: name.RegionalDomainName(), Description: jsii.String("What the DNS record of the domain has to point to"),
	})
}
