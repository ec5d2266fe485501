package telemetry

// The names of attributes, as release 1.41 of OpenTelemetry's semantic
// conventions has them: the last one with generative AI in it. Names that
// begin with claude_force are this program's own.
const (
	operationName  = "gen_ai.operation.name"
	providerName   = "gen_ai.provider.name"
	agentName      = "gen_ai.agent.name"
	workflowName   = "gen_ai.workflow.name"
	conversationID = "gen_ai.conversation.id"

	requestModel         = "gen_ai.request.model"
	requestMaxTokens     = "gen_ai.request.max_tokens"
	requestTemperature   = "gen_ai.request.temperature"
	requestStopSequences = "gen_ai.request.stop_sequences"
	outputType           = "gen_ai.output.type"

	responseModel         = "gen_ai.response.model"
	responseID            = "gen_ai.response.id"
	responseFinishReasons = "gen_ai.response.finish_reasons"
	responseFirstChunk    = "gen_ai.response.time_to_first_chunk" // seconds

	usageInput         = "gen_ai.usage.input_tokens" // cached ones included
	usageOutput        = "gen_ai.usage.output_tokens"
	usageReasoning     = "gen_ai.usage.reasoning.output_tokens"
	usageCacheRead     = "gen_ai.usage.cache_read.input_tokens"
	usageCacheCreation = "gen_ai.usage.cache_creation.input_tokens"
	tokenType          = "gen_ai.token.type"

	systemInstructions = "gen_ai.system_instructions"
	inputMessages      = "gen_ai.input.messages"
	outputMessages     = "gen_ai.output.messages"

	errorType     = "error.type"
	serverAddress = "server.address"
	serverPort    = "server.port"

	ownSource     = "claude_force.source"         // where an answer came from
	ownAttempts   = "claude_force.attempts"       // exchanges of a run
	ownAttempt    = "claude_force.attempt"        // which one of its run, from 1
	ownWaited     = "claude_force.waited"         // seconds before rate limits
	ownCost       = "claude_force.cost.nano_usd"  // absent where it is unknown
	ownSaved      = "claude_force.saved.nano_usd" // what a hit did not cost
	ownRequestID  = "claude_force.request.id"
	ownStep       = "claude_force.workflow.step"
	ownRequested  = "claude_force.requested_model" // as the caller named it
	ownModelCause = "claude_force.model_reason"    // why it was chosen
)

// The values of operationName and providerName that this program has.
const (
	operationChat  = "chat"
	operationAgent = "invoke_agent"
	provider       = "anthropic"
)

// The names of metrics.
const (
	metricTokens     = "gen_ai.client.token.usage"
	metricDuration   = "gen_ai.client.operation.duration"
	metricFirstChunk = "gen_ai.client.operation.time_to_first_chunk"
)
