package arch

import (
	"path"
	"slices"
)

// The layers, from the inside out. A list holds what a kind above may import.
var (
	vocabulary = []string{"internal/crm", "internal/fault", "internal/backoff"}
	pure       = []string{"internal/mapping", "internal/rule", "internal/reconcile"}
	ports      = []string{"internal/connector", "internal/store", "internal/queue", "internal/secret", "internal/schedule"}

	// apps are the CRMs we speak to: one folder, one fake and one page in
	// docs/apps each. A test holds them against the two lists of the code.
	apps = []string{
		"carddav", "googlecontacts", "hubspot", "intercom", "leadsquared", "pipedrive", "realgeeks", "salesforce",
	}

	// documents is the package that makes apps of documents; their fakes are below it.
	documents = "internal/connector/declared"

	// kits serve every connector: what one port method promises and all apps
	// need alike, written once.
	kits = []string{
		"internal/connector/rows", "internal/connector/scan", "internal/connector/hook", "internal/connector/wire",
	}

	// calls is the kit that speaks HTTP and OAuth for every connector.
	calls = "internal/connector/rest"

	// storage are the adapters of the store, queue and secret ports.
	storage = []string{"internal/store/sqlitestore", "internal/queue/sqlitequeue", "internal/secret/localkey"}

	// database is what the SQLite adapters share: one file, opened alike.
	database = "internal/sqlitedb"

	// services are the adapters of the same ports, and of schedules, to AWS.
	services = []string{
		"internal/store/dynamostore", "internal/queue/sqsqueue", "internal/secret/kmskey", "internal/schedule/eventbridge",
	}

	// awsCalls is what the AWS adapters share: one way to classify and repeat calls.
	awsCalls = "internal/awscall"

	// waiting is for whoever may look at a clock.
	waiting = "internal/pause"

	// testClock is the time that tests go by.
	testClock = "internal/proof/testclock"

	// testText is what tests have written down.
	testText = "internal/proof/written"

	// freePorts is for programs that tests start on a port.
	freePorts = "internal/proof/freeport"

	// decorators are adapters that wrap their own port.
	decorators = []string{
		"internal/connector/kept", "internal/connector/paced", "internal/schedule/follow", "internal/store/moving",
	}
)

// Standard packages that reach out of the process, or bring chance into it.
// net/url, net/netip and net/mail only read text and stay allowed.
var reaching = []string{
	"os", "os/**", "io/fs", "net", "net/http", "net/http/**", "net/rpc/**", "net/smtp", "net/textproto",
	"syscall/**", "plugin", "database/**", "log", "testing/**", "math/rand/**", "crypto/rand", "flag", "expvar",
}

// Identifiers that read a clock or start a timer.
var clock = []string{
	"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc",
	"time.Tick", "time.NewTimer", "time.NewTicker",
}

// Functions that write to the process-wide logger.
var processLog = []string{
	"log/slog.Debug", "log/slog.Info", "log/slog.Warn", "log/slog.Error", "log/slog.Log", "log/slog.Default",
	"log/slog.SetDefault", "log/slog.DebugContext", "log/slog.InfoContext", "log/slog.WarnContext",
	"log/slog.ErrorContext",
}

// Parts of net/http that open connections; header and status names are words,
// and so is the type of a client that somebody else has made.
var httpCalls = append([]string{
	"net/http.NewRequestWithContext", "net/http.ListenAndServe", "net/http.Server",
}, ownClient...)

// Parts of net/http that go round the guarded client of the configuration, or
// send without a context.
var ownClient = []string{
	"net/http.DefaultClient", "net/http.DefaultTransport", "net/http.Transport", "net/http.Get",
	"net/http.Post", "net/http.PostForm", "net/http.Head", "net/http.NewRequest",
}

// awsSDK is the SDK of AWS.
var awsSDK = []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}

// Libraries of tests.
var testLibraries = []string{"github.com/google/go-cmp", "pgregory.net/rapid", "go.uber.org/goleak"}

// House is the table for this module: docs/design.md section 5 in a form that
// a test can read. More special kinds stand above the kinds that would match
// them too.
var House = Table{
	Rules:      slices.Concat(inner, edges, adapters(), outer),
	Everywhere: []string{"time.Sleep"},
	Allow:      []Allowance{},
}

var inner = []Rule{{
	Kind:     "vocabulary",
	Packages: vocabulary,
	NotStd:   reaching,
	NotUse:   slices.Concat(clock, processLog),
	Reason:   "layer 0 is words that everybody shares: standard library only, and nothing of the module",
}, {
	Kind:     "mapping",
	Packages: []string{"internal/mapping/**"},
	May:      slices.Concat(vocabulary, []string{"./**"}),
	Outside:  []string{"golang.org/x/net/idna", "golang.org/x/net/publicsuffix", "golang.org/x/text"},
	NotStd:   reaching,
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason: "transforms are pure: the same input gives the same output on every machine, in the plan, the sync and " +
		"the replay",
}, {
	Kind:     "rule",
	Packages: []string{"internal/rule/**"},
	May:      slices.Concat(vocabulary, []string{"internal/mapping", "./**"}),
	NotStd:   reaching,
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason:   "filters decide on values alone, so that explain can repeat them; mapping < rule < reconcile",
}, {
	Kind:     "reconcile",
	Packages: []string{"internal/reconcile/**"},
	May:      slices.Concat(vocabulary, []string{"internal/mapping", "internal/rule", "./**"}),
	NotStd:   reaching,
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason:   "the planner is a pure function of base, left, right and settings: no clock, no I/O, no chance",
}}

// edges are what stands beside the ports: suites, references, fakes.
var edges = []Rule{{
	Kind:     "conformance suite",
	Packages: []string{"internal/connector/connectortest"},
	May: slices.Concat(vocabulary, []string{
		"internal/connector", "internal/secret", "internal/connector/fakekit", testClock,
	}),
	Outside: testLibraries,
	Reason:  "the suite knows the port and the knobs that every fake has; one that knows an app would let it off",
}, {
	Kind:     "kit of the fakes",
	Packages: []string{"internal/connector/fakekit/**"},
	May:      slices.Concat(vocabulary, []string{waiting, "./**"}),
	Reason: "what the fakes share is a server and its knobs; it must not know our connectors, or both could share a " +
		"mistake",
}, {
	Kind:     "fake",
	Packages: []string{"internal/connector/*/*fake/**"},
	May:      slices.Concat(vocabulary, []string{"internal/connector/fakekit/**", "./**"}),
	Reason: "a fake speaks the app's API from the app's documentation; knowing our connector, it would repeat its " +
		"mistakes",
}, {
	Kind:     "list of fakes",
	Packages: []string{"internal/connector/fakes"},
	May:      slices.Concat(vocabulary, []string{"internal/connector/fakekit/**", "internal/connector/*/*fake"}),
	Reason:   "a fake is started by who proves or shows something; the list knows them and no connector",
}, {
	Kind:     "model app",
	Packages: []string{"internal/connector/modelapp"},
	May:      slices.Concat(vocabulary, []string{"internal/connector", "internal/secret"}),
	NotStd:   reaching,
	NotUse:   clock,
	NoGo:     true,
	Reason: "the simulation's app and its connector in one: it answers by the port's words and replays a seed " +
		"without clock or chance",
}, {
	Kind:     "embedded database",
	Packages: []string{database},
	May:      slices.Concat(vocabulary, []string{waiting}),
	Outside:  []string{"modernc.org/sqlite"},
	NotStd:   []string{"net/http/**", "testing/**", "log"},
	NotUse:   processLog,
	Reason:   "one file serves store and queue; what is kept in it is the adapters' business",
}, {
	Kind:     "pause",
	Packages: []string{waiting},
	NotStd:   reaching,
	NotUse:   processLog,
	NoGo:     true,
	Reason:   "everybody with a clock waits alike; it stands below all of them",
}, {
	Kind:     "clock of the tests",
	Packages: []string{testClock},
	NotStd:   reaching,
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason:   "a clock that only tests move looks at no other",
}, {
	Kind:     "texts of the tests",
	Packages: []string{testText},
	Outside:  []string{"github.com/google/go-cmp"},
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason:   "what is written in testdata is the same at every time",
}, {
	Kind:     "plans of SQLite",
	Packages: []string{database + "/sqlitedbtest"},
	Outside:  []string{"modernc.org/libc", "modernc.org/sqlite/lib"},
	NotUse:   slices.Concat(clock, processLog),
	NoGo:     true,
	Reason:   "what SQLite counts of a query is asked of SQLite alone",
}, {
	Kind:     "calls to AWS",
	Packages: []string{awsCalls},
	May:      slices.Concat(vocabulary, []string{waiting}),
	Outside:  awsSDK,
	NotStd:   []string{"os/**", "net/http/**", "testing/**", "log"},
	NotUse:   processLog,
	Reason:   "errors and repetitions are alike for every service; which service is called is the adapters' business",
}, {
	Kind:     "stand-ins for AWS",
	Packages: []string{"internal/proof/awslocal/**"},
	May:      []string{freePorts},
	Outside:  awsSDK,
	NotUse:   processLog,
	Reason:   "it starts programs that others wrote; what is kept in them is the business of whoever asked",
}, {
	Kind:     "ports for programs",
	Packages: []string{freePorts},
	NotUse:   processLog,
	Reason:   "it finds a port for a program under test, whichever that is",
}, {
	Kind:     "decorator",
	Packages: decorators,
	May:      slices.Concat(vocabulary, ports),
	Outside:  []string{"golang.org/x/time"},
	Reason:   "a decorator wraps any implementation of its port, so it may know none",
}, {
	Kind:     "connector kit",
	Packages: kits,
	May:      slices.Concat(vocabulary, []string{"internal/connector", "internal/secret"}),
	NotStd:   []string{"os/**", "database/**", "testing/**", "math/rand/**", "log"},
	NotUse:   slices.Concat(clock, processLog, httpCalls),
	NoGo:     true,
	Reason: "a kit serves every connector, so it may know none; connectors get clock and client from their " +
		"configuration",
}, {
	Kind:     "connector kit",
	Packages: []string{calls},
	May:      slices.Concat(vocabulary, []string{"internal/connector", "internal/secret"}),
	Outside:  []string{"golang.org/x/oauth2"},
	NotStd:   []string{"os/**", "database/**", "testing/**", "math/rand/**", "log"},
	NotUse:   slices.Concat(clock, processLog, ownClient),
	NoGo:     true,
	Reason:   "it makes every connector's calls by the guarded client of the configuration, and knows none of them",
}, {
	Kind:     "port",
	Packages: []string{"internal/connector"},
	May:      slices.Concat(vocabulary, []string{"internal/secret"}),
	NotStd:   []string{"os/**", "database/**", "testing/**", "math/rand/**", "crypto/rand", "log"},
	NotUse:   slices.Concat(clock, processLog, httpCalls),
	NoGo:     true,
	Reason: "the port to an app carries credentials, so it knows the word for a secret in memory, and nothing else " +
		"beyond layer 0",
}, {
	Kind:     "port",
	Packages: []string{"internal/store", "internal/queue", "internal/secret", "internal/schedule"},
	May:      vocabulary,
	NotStd:   []string{"os/**", "database/**", "testing/**", "math/rand/**", "crypto/rand", "log"},
	NotUse:   slices.Concat(clock, processLog, httpCalls),
	NoGo:     true,
	Reason:   "a port is words and interfaces that both sides share; an implementation belongs beside it",
}}

// adapters gives every app, every storage and what stands beside its port a
// rule of its own, so that none can see another one.
func adapters() []Rule {
	var rules []Rule
	for _, port := range ports {
		name := path.Base(port)
		rules = append(rules, Rule{
			Kind:     "conformance suite",
			Packages: []string{port + "/" + name + "test"},
			May:      slices.Concat(vocabulary, []string{port}),
			Outside:  testLibraries,
			Reason:   "a suite knows the contract only; one that knows an implementation would let it off",
		}, Rule{
			Kind:     "reference implementation",
			Packages: []string{port + "/mem" + name},
			May:      slices.Concat(vocabulary, []string{port}),
			NotStd:   reaching,
			NotUse:   clock,
			NoGo:     true,
			Reason:   "the simulation replays a seed through it: no clock, chance or goroutine of its own",
		})
	}
	list := Rule{
		Kind:     "list of apps",
		Packages: []string{"internal/connector/apps"},
		May:      slices.Concat(vocabulary, []string{"internal/connector", documents}),
		Reason:   "programs take their apps from one list, which names no fake, kit or decorator",
	}
	rules = append(rules, Rule{
		Kind:     "apps as documents",
		Packages: []string{documents},
		May:      slices.Concat(vocabulary, kits, []string{calls, "internal/connector", "internal/secret"}),
		Outside:  []string{"go.yaml.in/yaml/v3"},
		NotStd:   []string{"os/**", "database/**", "testing/**", "log"},
		NotUse:   slices.Concat(clock, processLog, ownClient),
		NoGo:     true,
		Reason:   "a document is carried out by the kits that every connector stands on; who reads files hands it the text",
	})
	// parsers are of the formats that single apps speak.
	parsers := map[string][]string{"carddav": {"github.com/emersion/go-vcard"}}
	for _, app := range apps {
		list.May = append(list.May, "internal/connector/"+app)
		rules = append(rules, Rule{
			Kind:     "connector " + app,
			Packages: []string{"internal/connector/" + app + "/**"},
			May:      slices.Concat(vocabulary, kits, []string{calls, "internal/connector", "internal/secret", "./**"}),
			MayNot:   []string{"internal/connector/*/*fake/**"},
			Outside:  append([]string{"golang.org/x/oauth2"}, parsers[app]...),
			NotStd:   []string{"os/**", "database/**", "testing/**", "log"},
			NotUse:   slices.Concat(clock, processLog, ownClient),
			Reason: "a connector knows its port, the kits, layer 0, the OAuth library and what reads its app's format, never " +
				"another adapter nor its own fake; clock and guarded client come from connector.Config",
		})
	}
	rules = append(rules, list)
	for _, s := range storage {
		rules = append(rules, Rule{
			Kind:     "storage",
			Packages: []string{s + "/**"},
			May:      slices.Concat(vocabulary, []string{path.Dir(s), database, "./**"}),
			Outside:  []string{"modernc.org/sqlite", "github.com/klauspost/compress"},
			NotStd:   []string{"net/http/**", "testing/**", "log"},
			NotUse:   processLog,
			Reason: "a storage adapter knows its port, layer 0 and its SDK; two adapters that know each other cannot be " +
				"exchanged",
		})
	}
	for _, s := range services {
		rules = append(rules, Rule{
			Kind:     "AWS adapter",
			Packages: []string{s + "/**"},
			May:      slices.Concat(vocabulary, []string{path.Dir(s), awsCalls, waiting, "./**"}),
			Outside:  awsSDK,
			NotStd:   []string{"os/**", "net/http/**", "database/**", "testing/**", "log"},
			NotUse:   processLog,
			Reason: "an adapter knows its port, layer 0 and its SDK; clients and names come from app, which alone reads " +
				"the environment",
		})
	}
	return rules
}

// useCases may be imported by everything that is wired on top.
var useCases = slices.Concat(vocabulary, pure, ports, []string{
	"internal/engine/**", "internal/report/**", "internal/access/**", "internal/account/**", "internal/alert",
})

// notOnTop stays out of programs: suites and references belong to tests, fakes,
// the client of the API and the simulation to tests, functions/local and the
// programs in scripts.
var notOnTop = []string{
	"internal/*/*test", "internal/*/mem*", "internal/connector/*/*fake/**", "internal/connector/fakes",
	"internal/connector/fakekit/**", "internal/connector/modelapp",
	"internal/proof/**",
}

var outer = []Rule{{
	Kind:     "client of the API",
	Packages: []string{"internal/proof/apiclient"},
	May:      []string{waiting},
	NotStd:   []string{"os/**", "database/**", "testing/**", "log"},
	NotUse:   processLog,
	Reason:   "it calls what is published as a user's script would; our own types would hide what a user meets",
}, {
	Kind:     "use case",
	Packages: []string{"internal/engine/**", "internal/report/**"},
	May:      slices.Concat(vocabulary, pure, ports, []string{"./**"}),
	Outside:  []string{"github.com/oklog/ulid/v2", "github.com/klauspost/compress"},
	NotStd: []string{
		"os/**", "net", "net/rpc/**", "net/smtp", "syscall/**", "plugin", "database/**", "log", "testing/**", "math/rand/**",
		"crypto/rand", "flag",
	},
	NotUse: slices.Concat(clock, processLog, httpCalls),
	NoGo:   true,
	Reason: "use cases know ports only, take time and chance from outside and leave concurrency to their caller, so " +
		"that the simulation can run them step by step",
}, {
	Kind:     "administration",
	Packages: []string{"internal/access/**", "internal/account/**"},
	May:      slices.Concat(vocabulary, pure, ports, []string{"./**"}),
	Outside:  []string{"github.com/oklog/ulid/v2"},
	NotStd: []string{
		"os/**", "net", "net/rpc/**", "net/smtp", "syscall/**", "plugin", "database/**", "log", "testing/**", "math/rand/**",
		"flag",
	},
	NotUse: slices.Concat(clock, processLog, httpCalls),
	NoGo:   true,
	Reason: "who may do what, and with which credentials, is decided over ports like any use case; only keys and " +
		"states need real chance",
}, {
	Kind:     "alerts",
	Packages: []string{"internal/alert"},
	May:      slices.Concat(vocabulary, ports, []string{"internal/engine", "internal/access", "internal/account"}),
	NotStd: []string{
		"os/**", "net", "net/rpc/**", "net/smtp", "syscall/**", "plugin", "database/**", "log", "testing/**", "math/rand/**",
		"crypto/rand", "flag",
	},
	NotUse: slices.Concat(clock, processLog, ownClient),
	NoGo:   true,
	Reason: "what is wrong is decided from what others say, over ports like any use case; mail goes through what it is " +
		"given, webhooks through the guarded client",
}, {
	Kind:     "mail",
	Packages: []string{"internal/alert/smtpmail"},
	May:      slices.Concat(vocabulary, []string{"internal/alert", "internal/secret"}),
	Outside:  []string{"github.com/wneessen/go-mail"},
	NotUse:   slices.Concat(clock, processLog),
	Reason:   "it sends what it is given to the server that the operator named, and decides nothing",
}, {
	Kind:     "guarded client",
	Packages: []string{"internal/egress/**"},
	May:      slices.Concat(vocabulary, []string{"./**"}),
	NotStd:   []string{"os/**", "database/**", "testing/**", "math/rand/**", "log"},
	NotUse:   slices.Concat(clock, processLog, ownClient[:2]),
	Reason:   "the one place that opens sockets to hosts an admin named; it judges addresses and knows no app",
}, {
	Kind:     "configuration",
	Packages: []string{"internal/config/**"},
	May:      slices.Concat(vocabulary, []string{"./**"}),
	Outside:  []string{"go.yaml.in/yaml/v3"},
	Reason:   "the environment is read once, without knowing who needs it",
}, {
	Kind:     "telemetry",
	Packages: []string{"internal/telemetry/**"},
	May:      slices.Concat(vocabulary, []string{"./**"}),
	Reason:   "logging and metrics serve everybody, so they may know nobody",
}, {
	Kind:     "invocation",
	Packages: []string{"internal/invocation/**"},
	May:      slices.Concat(vocabulary, []string{"./**"}),
	Outside:  []string{"github.com/aws/aws-lambda-go"},
	NotStd:   []string{"os/**", "database/**", "testing/**", "log"},
	NotUse:   processLog,
	Reason: "what surrounds an invocation is the same for every function, so it knows none of them and nothing that " +
		"they do",
}, {
	Kind:     "functions on one machine",
	Packages: []string{"internal/proof/lambdarun/**"},
	May:      []string{"internal/**"},
	Outside:  []string{"*"},
	Reason: "it runs the programs that are deployed beside stand-ins for AWS, for tests and developers; nothing " +
		"deployed imports it",
}, {
	Kind:     "api",
	Packages: []string{"internal/api/**"},
	May:      slices.Concat(useCases, []string{"internal/config/**", "internal/telemetry/**", waiting, "./**"}),
	Outside: []string{
		"github.com/danielgtaylor/huma/v2", "go.yaml.in/yaml/v3",
		"github.com/oklog/ulid/v2", "golang.org/x/oauth2", "golang.org/x/time",
	},
	NotStd: []string{"database/**", "testing/**"},
	NotUse: processLog,
	Reason: "handlers decode, call one use case and encode; which store or app stands behind is none of their business",
}, {
	Kind:     "console",
	Packages: []string{"internal/console/**"},
	May:      slices.Concat(vocabulary, []string{"internal/telemetry/**", "./**"}),
	Reason:   "the console is pages that call the public API like any other client",
}, {
	Kind:     "composition root",
	Packages: []string{"internal/app/**"},
	May:      []string{"internal/**", "./**"},
	MayNot:   notOnTop,
	Outside:  []string{"*"},
	Reason:   "app alone knows the concrete types, but what belongs to tests must not be wired into a program",
}, {
	Kind:     "simulation",
	Packages: []string{"internal/proof/sim/**", "internal/proof/testbed"},
	May:      []string{"internal/**"},
	Outside:  []string{"*"},
	Reason:   "the simulation and the bed for measurements are proofs on top of everything",
}, {
	Kind:     "proof",
	Packages: []string{"internal/proof/guards", "internal/proof/weave"},
	May:      []string{"internal/**"},
	Outside:  []string{"*"},
	Reason:   "a proof stands on top of everything, and no program on a proof",
}, {
	Kind:     "border test",
	Packages: []string{"internal/proof/arch"},
	Reason:   "the picture must stand on its own",
}, {
	Kind:     "local program",
	Packages: []string{"functions/local/**"},
	May:      []string{"internal/**", "./**"},
	MayNot:   []string{"internal/*/*test", "internal/proof/arch"},
	Outside:  []string{"*"},
	Reason:   "the program on one machine also starts the fakes and the simulation, but no suite of a test",
}, {
	Kind:     "function",
	Packages: []string{"functions/*/**"},
	May:      []string{"internal/**"},
	MayNot:   notOnTop,
	Outside:  []string{"*"},
	Reason:   "a function is wired from app and use cases, has one trigger and does not know its siblings",
}, {
	Kind:     "infrastructure",
	Packages: []string{"infra/**"},
	May:      []string{"./**"},
	Outside:  []string{"*"},
	Reason:   "the template describes programs, it does not call them",
}, {
	Kind:     "developer program",
	Packages: []string{"scripts/**"},
	May:      []string{"internal/**", "functions/local/**", "./**"},
	Outside:  []string{"*"},
	Reason:   "programs in scripts prove and measure; they may look at everything",
}}
