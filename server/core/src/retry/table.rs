//! The table of upstream errors: what each provider calls what, and what that means.
//!
//! Invariant: the first row that fits decides; rows that name a code or a type come before those that go by the status alone; a
//! row that reads the message parks nothing unless the provider itself must have begun the sentence, or has no code for it. Pure.
//! Wire facts: the reference beside each name below; rows of messages without a reference are as these providers send them.

use super::words::{
    Meaning,
    When::{self, Always, Begins, Coded, Ends, Named, Says},
};
use super::{Fault, Reason};

/// One row.
pub(super) struct Row {
    /// Whose answer it is, and where that is written.
    #[cfg_attr(not(test), expect(dead_code, reason = "says where a row is from"))]
    pub source: &'static str,
    /// With which statuses; with any where there are none.
    pub statuses: &'static [u16],
    /// What the error says.
    pub when: When,
    /// What that means.
    pub means: Meaning,
}

const OPENAI: &str = "OpenAI, platform.openai.com/docs/guides/error-codes";
const AZURE: &str = "Azure, learn.microsoft.com/azure/ai-foundry/openai/how-to/content-filters";
const ANTHROPIC: &str = "Anthropic, docs.anthropic.com/en/api/errors";
const GOOGLE: &str = "Gemini and Vertex, ai.google.dev/gemini-api/docs/troubleshooting";
const BEDROCK: &str = "Bedrock, docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html";
const GROQ: &str = "Groq, console.groq.com/docs/errors";
const MISTRAL: &str = "Mistral, docs.mistral.ai/api";
const DEEPSEEK: &str = "DeepSeek, api-docs.deepseek.com/quick_start/error_codes";
const XAI: &str = "xAI, docs.x.ai/docs/key-information/debugging";
const COHERE: &str = "Cohere, docs.cohere.com/reference/errors";
const OPENROUTER: &str = "OpenRouter, openrouter.ai/docs/api-reference/errors";
const TOGETHER: &str = "Together, docs.together.ai/docs/error-codes";
const FIREWORKS: &str = "Fireworks, docs.fireworks.ai/guides/inference-error-codes";
const OLLAMA: &str = "Ollama and llama.cpp, github.com/ollama/ollama/blob/main/docs/api.md";
const VLLM: &str = "vLLM, docs.vllm.ai/en/latest/serving/openai_compatible_server.html";
const MOONSHOT: &str = "Moonshot, platform.moonshot.ai/docs/api/chat";
const ALIBABA: &str = "Alibaba, www.alibabacloud.com/help/en/model-studio/error-code";
const ZHIPU: &str = "Zhipu, docs.bigmodel.cn/cn/api/api-code";
const HTTP: &str = "HTTP, RFC 9110 and RFC 6585; 529 of Anthropic, 498 of Groq";

const NO_MONEY: Meaning = Meaning::Parked(Reason::NoMoney);
const BAD_KEY: Meaning = Meaning::Parked(Reason::BadKey);
const FORBIDDEN: Meaning = Meaning::Parked(Reason::Forbidden);
const CONTENT: Meaning = Meaning::Client(Fault::ContentPolicy);
const TOO_LONG: Meaning = Meaning::Client(Fault::TooLong);
const TOO_LARGE: Meaning = Meaning::Client(Fault::TooLarge);
const BAD_REQUEST: Meaning = Meaning::Client(Fault::BadRequest);
const MISSING: Meaning = Meaning::ModelMissing;
const OTHER_USE: Meaning = Meaning::TooMuchForThisAccount(Fault::BadRequest);
const RATE: Meaning = Meaning::RateLimited;
const OVERLOADED: Meaning = Meaning::Overloaded;

const ANY: &[u16] = &[];
/// The statuses of a request that was not understood or is too much.
const REFUSED: &[u16] = &[400, 403, 413, 422];

/// How an error of Google's whose quota for the day is used up is read.
pub(super) const DAILY_QUOTA: &str = "daily_quota_exceeded";

const fn row(source: &'static str, statuses: &'static [u16], when: When, means: Meaning) -> Row {
    Row {
        source,
        statuses,
        when,
        means,
    }
}

/// The rows, the first that fits first.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    // Out of money, whatever the status.
    row(OPENAI, ANY, Named(&["insufficient_quota", "credit_balance_exhausted", "billing_not_active", "billing_hard_limit_reached"]), NO_MONEY),
    row(OPENAI, ANY, Named(&["organization_spend_limit_exceeded", "project_spend_limit_exceeded", "organization_usage_limit_exceeded"]), NO_MONEY),
    row(ANTHROPIC, ANY, Named(&["billing_error", "enforced_spend_limit_reached", "contract_spend_limit_reached"]), NO_MONEY),
    row(ANTHROPIC, ANY, Named(&["linked_organization_spend_limit_reached"]), NO_MONEY),
    row(ANTHROPIC, &[400, 403, 429], Begins(&["your credit balance is too low", "you have reached your specified"]), NO_MONEY),
    row(OPENROUTER, ANY, Named(&["payment_required", "insufficient_credits"]), NO_MONEY),
    row(OPENROUTER, &[402, 403, 429], Begins(&["insufficient credits", "key limit exceeded"]), NO_MONEY),
    row(DEEPSEEK, ANY, Named(&["insufficient_balance", "insufficient_funds"]), NO_MONEY),
    row(DEEPSEEK, &[400, 402, 403, 429], Begins(&["insufficient balance"]), NO_MONEY),
    row(MOONSHOT, ANY, Named(&["exceeded_current_quota_error"]), NO_MONEY),
    row(GROQ, ANY, Coded(&["blocked_api_access"]), NO_MONEY),
    row(XAI, &[403, 429], Says(&["used all available credits", "spending limit", "purchase more credits"]), NO_MONEY),
    row(COHERE, &[429], Says(&["api calls / month"]), NO_MONEY),
    row(FIREWORKS, &[412], Says(&["spending limit", "suspended", "past invoices"]), NO_MONEY),
    // A key that is refused.
    row(OPENAI, ANY, Named(&["invalid_api_key", "incorrect_api_key", "expired_api_key", "invalid_authentication"]), BAD_KEY),
    row(OPENAI, ANY, Named(&["mismatched_organization", "ip_not_authorized", "token_expired"]), BAD_KEY),
    row(ANTHROPIC, ANY, Named(&["authentication_error"]), BAD_KEY),
    row(GOOGLE, ANY, Named(&["api_key_invalid", "unauthenticated"]), BAD_KEY),
    row(GOOGLE, &[400], Begins(&["api key not valid", "api key expired"]), BAD_KEY),
    row(BEDROCK, ANY, Named(&["expiredtokenexception", "invalidsignatureexception", "unrecognizedclientexception"]), BAD_KEY),
    row(BEDROCK, &[400, 403], Begins(&["the security token included in the request", "the request signature we calculated"]), BAD_KEY),
    row(BEDROCK, &[400, 403], Begins(&["signature expired", "authentication failed", "bearer token has expired"]), BAD_KEY),
    row(XAI, &[400, 403], Begins(&["incorrect api key provided"]), BAD_KEY),
    // Content that is refused.
    row(OPENAI, ANY, Named(&["content_policy_violation", "moderation_blocked", "invalid_prompt"]), CONTENT),
    row(OPENAI, ANY, Named(&["bio_policy", "misalignment_policy_violation"]), CONTENT),
    row(AZURE, ANY, Named(&["content_filter", "responsibleaipolicyviolation"]), CONTENT),
    row(ALIBABA, ANY, Named(&["data_inspection_failed", "datainspectionfailed"]), CONTENT),
    row(ZHIPU, &[400], Coded(&["1301"]), CONTENT),
    row(ANTHROPIC, &[400], Begins(&["output blocked by content filtering policy"]), CONTENT),
    row(DEEPSEEK, &[400], Begins(&["content exists risk"]), CONTENT),
    row(MISTRAL, &[400, 403], Begins(&["content blocked by"]), CONTENT),
    row(OPENROUTER, &[403], Begins(&["request blocked", "prompt injection"]), CONTENT),
    // A prompt that is too long; most have no code for it.
    row(OPENAI, ANY, Named(&["context_length_exceeded"]), TOO_LONG),
    row(OPENAI, REFUSED, Says(&["maximum context length", "exceeds the context window"]), TOO_LONG),
    row(ANTHROPIC, ANY, Named(&["model_context_window_exceeded"]), TOO_LONG),
    row(ANTHROPIC, REFUSED, Begins(&["prompt is too long", "input length and `max_tokens` exceed context limit"]), TOO_LONG),
    row(GOOGLE, REFUSED, Says(&["input token count", "exceeds the maximum number of tokens"]), TOO_LONG),
    row(BEDROCK, REFUSED, Says(&["input is too long", "too many input tokens", "number of input tokens exceeds"]), TOO_LONG),
    row(GROQ, REFUSED, Begins(&["please reduce the length of the messages"]), TOO_LONG),
    row(MISTRAL, REFUSED, Says(&["too large for model with", "reduce the length of the messages"]), TOO_LONG),
    row(XAI, REFUSED, Says(&["maximum prompt length is"]), TOO_LONG),
    row(COHERE, REFUSED, Begins(&["too many tokens: size limit exceeded", "too many tokens: total number of tokens"]), TOO_LONG),
    row(COHERE, REFUSED, Begins(&["too many tokens: minimal context", "too many tokens: multi-hop prompt"]), TOO_LONG),
    row(TOGETHER, REFUSED, Says(&["less than the context length", "`inputs` tokens + `max_new_tokens` must be", "maximum context"]), TOO_LONG),
    row(FIREWORKS, REFUSED, Begins(&["the prompt is too long"]), TOO_LONG),
    row(OLLAMA, ANY, Named(&["exceed_context_size_error"]), TOO_LONG),
    row(OLLAMA, REFUSED, Says(&["exceeds the available context size", "exceeded max context length"]), TOO_LONG),
    row(VLLM, REFUSED, Says(&["longer than the maximum model length", "maximum input length"]), TOO_LONG),
    row(MOONSHOT, REFUSED, Says(&["exceeded model token limit"]), TOO_LONG),
    row(ALIBABA, REFUSED, Begins(&["range of input length should be"]), TOO_LONG),
    row(GOOGLE, &[400], Begins(&["request payload size exceeds the limit"]), TOO_LARGE),
    // What the client refers to is not kept, or is no longer: an answer, a conversation, or a part of one.
    row(OPENAI, ANY, Coded(&["previous_response_not_found", "conversation_not_found"]), BAD_REQUEST),
    row(OPENAI, &[400, 404], Begins(&["previous response with id", "conversation with id", "item with id"]), BAD_REQUEST),
    // A model that the account has, and that does something else.
    row(OPENAI, &[400, 403, 404], Says(&["not a chat model", "this is a chat model", "not supported in the v1/"]), OTHER_USE),
    row(OPENAI, &[400, 403, 404], Says(&["only supported in v1/", "not allowed to generate embeddings from"]), OTHER_USE),
    // A model that the account lacks.
    row(OPENAI, ANY, Coded(&["model_not_found", "not_found"]), MISSING),
    row(ANTHROPIC, ANY, Coded(&["not_found_error", "region_unavailable"]), MISSING),
    row(AZURE, ANY, Coded(&["deploymentnotfound", "operationnotsupported"]), MISSING),
    row(BEDROCK, ANY, Coded(&["resourcenotfoundexception", "accessdeniedexception"]), MISSING),
    row(BEDROCK, &[400], Begins(&["the provided model identifier is invalid", "invocation of model id"]), MISSING),
    row(GROQ, ANY, Coded(&["model_decommissioned", "model_not_active"]), MISSING),
    row(TOGETHER, ANY, Coded(&["model_not_available"]), MISSING),
    row(MISTRAL, ANY, Named(&["invalid_model"]), MISSING),
    row(DEEPSEEK, &[400], Begins(&["model not exist"]), MISSING),
    row(OPENROUTER, &[400], Ends(&["is not a valid model id"]), MISSING),
    // An account that may not.
    row(OPENAI, ANY, Named(&["unsupported_country_region_territory", "account_deactivated", "access_terminated"]), FORBIDDEN),
    row(ANTHROPIC, ANY, Named(&["organization_on_hold", "account_suspended"]), FORBIDDEN),
    row(GOOGLE, ANY, Named(&["permission_denied", "service_disabled", "failed_precondition", "consumer_suspended"]), FORBIDDEN),
    // Limits. A single request above Groq's tokens a minute is a 413; a quota of Google's that is none at all is no model.
    row(GROQ, &[413], Named(&["rate_limit_exceeded"]), Meaning::TooMuchForThisAccount(Fault::TooLarge)),
    row(GOOGLE, &[429], Says(&["limit: 0,"]), MISSING),
    row(GOOGLE, &[429], Ends(&["limit: 0"]), MISSING),
    row(OPENROUTER, &[402], Coded(&["in_flight_budget_exhausted"]), RATE),
    row(OPENROUTER, &[402], Coded(&["weight_exceeds_budget"]), Meaning::TooMuchForThisAccount(Fault::NoMoney)),
    row(HTTP, &[402], Always, NO_MONEY),
    row(OPENAI, ANY, Coded(&["rate_limit_exceeded", "slow_down", "too_many_requests"]), RATE),
    row(ANTHROPIC, ANY, Coded(&["rate_limit_error", "ramp_limit_exceeded"]), RATE),
    row(GOOGLE, ANY, Coded(&["resource_exhausted", DAILY_QUOTA]), RATE),
    row(BEDROCK, ANY, Coded(&["throttlingexception", "modelnotreadyexception", "servicequotaexceededexception"]), RATE),
    row(BEDROCK, &[400], Begins(&["your request exceeds the service quota"]), RATE),
    row(MISTRAL, &[429], Named(&["service_tier_capacity_exceeded"]), OVERLOADED),
    row(MISTRAL, ANY, Coded(&["rate_limited", "rate_limit_exceeded_error"]), RATE),
    row(OPENROUTER, ANY, Coded(&["in_flight_budget_exhausted"]), RATE),
    // Capacity.
    row(OPENAI, ANY, Coded(&["server_is_overloaded", "engine_overloaded", "service_unavailable"]), OVERLOADED),
    row(ANTHROPIC, ANY, Coded(&["overloaded_error"]), OVERLOADED),
    row(GOOGLE, ANY, Coded(&["model_capacity_exhausted", "unavailable"]), OVERLOADED),
    row(BEDROCK, ANY, Coded(&["serviceunavailableexception"]), OVERLOADED),
    row(GROQ, ANY, Coded(&["capacity_exceeded"]), OVERLOADED),
    row(MISTRAL, ANY, Coded(&["service_tier_capacity_exceeded"]), OVERLOADED),
    // What only a 403 says: an account that lacks something, seldom a client at fault.
    row(OPENROUTER, &[403], Says(&["credits", "budget"]), NO_MONEY),
    row(XAI, &[403], Says(&["usage guidelines"]), CONTENT),
    row(OPENROUTER, &[403], Says(&["flagged", "moderation"]), CONTENT),
    row(OPENAI, &[403], Says(&["country", "region"]), FORBIDDEN),
    row(ANTHROPIC, &[403], Begins(&["request not allowed"]), FORBIDDEN),
    row(AZURE, &[403], Says(&["blocked", "virtual network", "firewall"]), FORBIDDEN),
    // The status alone.
    row(OPENAI, &[400], Says(&["service_tier"]), Meaning::TooMuchForThisAccount(Fault::BadRequest)),
    row(HTTP, &[401], Always, BAD_KEY),
    row(HTTP, &[403, 404, 410], Always, MISSING),
    row(HTTP, &[413], Always, TOO_LARGE),
    row(HTTP, &[429], Always, RATE),
    row(HTTP, &[498, 503, 529], Always, OVERLOADED),
    row(HTTP, &[400, 405, 406, 411, 412, 414, 415, 416, 417, 418, 419, 420, 421, 422, 428, 431, 451], Always, BAD_REQUEST),
    row(HTTP, ANY, Always, Meaning::Fails),
];

/// The status that a type stands for, where an error inside a successful answer has no other.
#[rustfmt::skip]
pub(super) const STATUS_OF: &[(&str, u16)] = &[
    ("invalid_request_error", 400), ("bad_request", 400), ("invalid_argument", 400), ("out_of_range", 400),
    ("failed_precondition", 400), ("validationexception", 400),
    ("authentication_error", 401), ("unauthenticated", 401),
    ("billing_error", 402), ("permission_error", 403), ("permission_denied", 403),
    ("not_found_error", 404), ("not_found", 404), ("model_not_found", 404),
    ("request_too_large", 413), ("timeout_error", 504), ("deadline_exceeded", 504),
    ("rate_limit_error", 429), ("rate_limit_exceeded", 429), ("too_many_requests", 429), ("resource_exhausted", 429),
    ("throttlingexception", 429), ("rate_limited", 429), ("modelnotreadyexception", 429),
    ("overloaded_error", 529), ("server_is_overloaded", 503), ("engine_overloaded", 503), ("unavailable", 503),
    ("service_unavailable", 503), ("serviceunavailableexception", 503),
];
