package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/jsii-runtime-go"
)

// workspaceAttribute and roleAttribute say which workspace a user belongs to
// and what the user may do there; they reach the function as the claims
// custom:lockstep_workspace and custom:lockstep_role of the ID token. Users can
// read them and never write them.
const (
	workspaceAttribute = "lockstep_workspace"
	roleAttribute      = "lockstep_role"
)

// userPool are the users and the client through which the console logs them in.
func (s *Stack) userPool() {
	s.users = awscognito.NewUserPool(s.stack, jsii.String("Users"), &awscognito.UserPoolProps{
		UserPoolName:      jsii.String(s.config.Name("users")),
		SelfSignUpEnabled: jsii.Bool(s.config.SelfSignUp),
		SignInAliases:     &awscognito.SignInAliases{Email: jsii.Bool(true)},
		AutoVerify:        &awscognito.AutoVerifiedAttrs{Email: jsii.Bool(true)},
		UserVerification: &awscognito.UserVerificationConfig{
			EmailStyle:   awscognito.VerificationEmailStyle_CODE,
			EmailSubject: jsii.String("Your code for Lockstep"),
			EmailBody:    jsii.String("Your code is {####}."),
		},
		StandardAttributes: &awscognito.StandardAttributes{
			Email: &awscognito.StandardAttribute{Required: jsii.Bool(true), Mutable: jsii.Bool(true)},
		},
		CustomAttributes: &map[string]awscognito.ICustomAttribute{
			workspaceAttribute: awscognito.NewStringAttribute(&awscognito.StringAttributeProps{
				MinLen: jsii.Number(1), MaxLen: jsii.Number(64), Mutable: jsii.Bool(true),
			}),
			roleAttribute: awscognito.NewStringAttribute(&awscognito.StringAttributeProps{
				MinLen: jsii.Number(1), MaxLen: jsii.Number(16), Mutable: jsii.Bool(true),
			}),
		},
		PasswordPolicy: &awscognito.PasswordPolicy{
			MinLength: jsii.Number(12), RequireLowercase: jsii.Bool(true), RequireUppercase: jsii.Bool(true),
			RequireDigits: jsii.Bool(true), RequireSymbols: jsii.Bool(true),
			TempPasswordValidity: awscdk.Duration_Days(jsii.Number(3)),
		},
		Mfa:             awscognito.Mfa_REQUIRED,
		MfaSecondFactor: &awscognito.MfaSecondFactor{Otp: jsii.Bool(true), Sms: jsii.Bool(false)},
		// Threat protection, paid per user who logs in and nothing when nobody does.
		FeaturePlan:                  awscognito.FeaturePlan_PLUS,
		StandardThreatProtectionMode: awscognito.StandardThreatProtectionMode_FULL_FUNCTION,
		AccountRecovery:              awscognito.AccountRecovery_EMAIL_ONLY,
		DeletionProtection:           jsii.Bool(s.config.prod()),
		RemovalPolicy:                s.config.removal(),
	})
	providers := s.identityProviders()
	props := &awscognito.UserPoolClientOptions{
		UserPoolClientName:         jsii.String(s.config.Name("console")),
		GenerateSecret:             jsii.Bool(false), // a browser cannot keep one
		AuthFlows:                  &awscognito.AuthFlow{UserSrp: jsii.Bool(true)},
		PreventUserExistenceErrors: jsii.Bool(true),
		EnableTokenRevocation:      jsii.Bool(true),
		AccessTokenValidity:        awscdk.Duration_Hours(jsii.Number(1)),
		IdTokenValidity:            awscdk.Duration_Hours(jsii.Number(1)),
		RefreshTokenValidity:       awscdk.Duration_Days(jsii.Number(30)),
		SupportedIdentityProviders: &providers,
		ReadAttributes: clientAttributes().WithCustomAttributes(jsii.String(workspaceAttribute),
			jsii.String(roleAttribute)),
		WriteAttributes: clientAttributes(),
		DisableOAuth:    jsii.Bool(s.config.LoginDomain == ""),
	}
	if s.config.LoginDomain != "" {
		s.users.AddDomain(jsii.String("Login"), &awscognito.UserPoolDomainOptions{
			CognitoDomain: &awscognito.CognitoDomainOptions{DomainPrefix: jsii.String(s.config.LoginDomain)},
		})
		callbacks := jsii.Strings(s.config.CallbackURLs...)
		props.OAuth = &awscognito.OAuthSettings{
			Flows: &awscognito.OAuthFlows{AuthorizationCodeGrant: jsii.Bool(true)},
			Scopes: &[]awscognito.OAuthScope{
				awscognito.OAuthScope_OPENID(), awscognito.OAuthScope_EMAIL(), awscognito.OAuthScope_PROFILE(),
			},
			CallbackUrls: callbacks, LogoutUrls: callbacks,
		}
	}
	s.client = s.users.AddClient(jsii.String("Console"), props)
}

func clientAttributes() awscognito.ClientAttributes {
	return awscognito.NewClientAttributes().WithStandardAttributes(&awscognito.StandardAttributesMask{
		Email: jsii.Bool(true), Fullname: jsii.Bool(true),
	})
}

// identityProviders are the pool itself and the social ones that the context
// names. Their secrets stay in Secrets Manager: the template only refers to them.
func (s *Stack) identityProviders() []awscognito.UserPoolClientIdentityProvider {
	all := []awscognito.UserPoolClientIdentityProvider{awscognito.UserPoolClientIdentityProvider_COGNITO()}
	email := &awscognito.AttributeMapping{Email: awscognito.ProviderAttribute_GOOGLE_EMAIL()}
	if s.config.GoogleClient != "" {
		awscognito.NewUserPoolIdentityProviderGoogle(s.stack, jsii.String("Google"),
			&awscognito.UserPoolIdentityProviderGoogleProps{
				UserPool: s.users, ClientId: jsii.String(s.config.GoogleClient),
				ClientSecretValue: awscdk.SecretValue_SecretsManager(jsii.String(s.config.GoogleSecret), nil),
				Scopes:            jsii.Strings("openid", "email", "profile"), AttributeMapping: email,
			})
		all = append(all, awscognito.UserPoolClientIdentityProvider_GOOGLE())
	}
	if s.config.FacebookClient != "" {
		// The construct for Facebook takes its secret as a text only.
		awscognito.NewCfnUserPoolIdentityProvider(s.stack, jsii.String("Facebook"),
			&awscognito.CfnUserPoolIdentityProviderProps{
				UserPoolId: s.users.UserPoolId(), ProviderName: jsii.String("Facebook"), ProviderType: jsii.String("Facebook"),
				ProviderDetails: map[string]any{
					"client_id":        s.config.FacebookClient,
					"client_secret":    "{{resolve:secretsmanager:" + s.config.FacebookSecret + ":SecretString}}",
					"authorize_scopes": "public_profile,email",
				},
				AttributeMapping: map[string]any{"email": "email"},
			})
		all = append(all, awscognito.UserPoolClientIdentityProvider_FACEBOOK())
	}
	return all
}
