//! Answers of upstreams as they come, and what is to be done: status, code, type, message.
//!
//! Invariant: each row stands for words that some provider sends. Pure.

use super::NOW;
use crate::retry::{Action, Fault, MODEL_MISSING_MS, Mark, Reason};

pub(super) const CLIENT: (Action, Mark) = (Action::ReturnToClient, Mark::None);
pub(super) const NEXT: (Action, Mark) = (Action::NextAccount, Mark::None);
pub(super) const GUESS: (Action, Mark) = (Action::NextAccount, Mark::Guess);
pub(super) const NO_MONEY: (Action, Mark) = (
    Action::NextAccount,
    Mark::Park {
        reason: Reason::NoMoney,
    },
);
pub(super) const BAD_KEY: (Action, Mark) = (Action::NextAccount, Mark::Park { reason: Reason::BadKey });
pub(super) const FORBIDDEN: (Action, Mark) = (
    Action::NextAccount,
    Mark::Park {
        reason: Reason::Forbidden,
    },
);
pub(super) const MISSING: (Action, Mark) = (
    Action::NextAccount,
    Mark::ModelMissing {
        until_ms: NOW + MODEL_MISSING_MS,
    },
);

pub(super) const fn cool(wait_ms: i64) -> (Action, Mark) {
    (
        Action::NextAccount,
        Mark::Cool {
            until_ms: NOW + wait_ms,
        },
    )
}

pub(super) type Row<'a> = (u16, &'a str, &'a str, &'a str, (Action, Mark), Fault);

/// Status, code, type, message; then what is to be done.
#[rustfmt::skip]
pub(super) const ANSWERS: &[Row<'static>] = &[
    // The client's own doing
    (400, "", "invalid_request_error", "Missing field: messages", CLIENT, Fault::BadRequest),
    (400, "context_length_exceeded", "invalid_request_error", "Too many tokens", CLIENT, Fault::TooLong),
    (400, "unsupported_parameter", "invalid_request_error", "No stop here", CLIENT, Fault::BadRequest),
    (400, "string_above_max_length", "invalid_request_error", "user is too long", CLIENT, Fault::BadRequest),
    (400, "content_policy_violation", "invalid_request_error", "Refused", CLIENT, Fault::ContentPolicy),
    (400, "content_filter", "", "Prompt filtered", CLIENT, Fault::ContentPolicy),
    (413, "", "request_too_large", "Body exceeds 32 MB", CLIENT, Fault::TooLarge),
    (422, "", "", "temperature: value must be at most 2", CLIENT, Fault::BadRequest),
    (422, "", "invalid_request_error", "bad params", CLIENT, Fault::BadRequest),
    (403, "403", "", "Your input was flagged", CLIENT, Fault::ContentPolicy),
    (403, "", "", "Content violates usage guidelines", CLIENT, Fault::ContentPolicy),
    (403, "", "", "Input exceeds the maximum context of the model", CLIENT, Fault::TooLong),
    (404, "previous_response_not_found", "invalid_request_error", "Unknown response", CLIENT, Fault::BadRequest),
    (400, "previous_response_not_found", "invalid_request_error", "Unknown response", CLIENT, Fault::BadRequest),
    (404, "", "invalid_request_error", "Previous response with id 'resp_1' not found.", CLIENT, Fault::BadRequest),
    (404, "not_found", "invalid_request_error", "Conversation with id 'conv_1' not found.", CLIENT, Fault::BadRequest),
    (404, "", "invalid_request_error", "Item with id 'rs_1' not found.", CLIENT, Fault::BadRequest),
    (405, "", "", "", CLIENT, Fault::BadRequest),
    // A prompt that is too long, as each provider says it
    (400, "", "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum", CLIENT, Fault::TooLong),
    (400, "", "invalid_request_error", "input length and `max_tokens` exceed context limit: 199926 + 21333 > 200000", CLIENT, Fault::TooLong),
    (400, "400", "INVALID_ARGUMENT", "The input token count (1125602) exceeds the maximum number of tokens allowed (1048576).", CLIENT, Fault::TooLong),
    (400, "ValidationException", "", "Input is too long for requested model.", CLIENT, Fault::TooLong),
    (400, "", "", "Input is too long for requested model.", CLIENT, Fault::TooLong),
    (400, "context_length_exceeded", "invalid_request_error", "Please reduce the length of the messages or completion.", CLIENT, Fault::TooLong),
    (400, "3051", "invalid_request_prompt", "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", CLIENT, Fault::TooLong),
    (400, "invalid_request_error", "invalid_request_error", "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens", CLIENT, Fault::TooLong),
    (400, "Client specified an invalid argument", "", "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", CLIENT, Fault::TooLong),
    (400, "invalid-argument", "", "This model's maximum prompt length is 500000 but the request contains 637815 tokens.", CLIENT, Fault::TooLong),
    (400, "", "TOO_MANY_TOKENS", "too many tokens: size limit exceeded by 168512 tokens. The limit for this model is 132000 tokens.", CLIENT, Fault::TooLong),
    (400, "", "TOO_MANY_TOKENS", "too many tokens: max tokens must be less than or equal to 4096", CLIENT, Fault::BadRequest),
    (400, "400", "", "This endpoint's maximum context length is 1048576 tokens. However, you requested about 1293741 tokens", CLIENT, Fault::TooLong),
    (422, "", "invalid_request_error", "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193", CLIENT, Fault::TooLong),
    (403, "", "", "Input token count + max_tokens parameter must be less than the context length of the model being queried.", CLIENT, Fault::TooLong),
    (400, "", "invalid_request_error", "The prompt is too long: 1000008, model maximum context length: 131071", CLIENT, Fault::TooLong),
    (400, "", "exceed_context_size_error", "the request exceeds the available context size, try increasing it", CLIENT, Fault::TooLong),
    (400, "400", "BadRequestError", "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", CLIENT, Fault::TooLong),
    (400, "400", "BadRequestError", "The decoder prompt (length 9000) is longer than the maximum model length of 4096.", CLIENT, Fault::TooLong),
    (400, "invalid_request_error", "", "Invalid request: Your request exceeded model token limit: 262144", CLIENT, Fault::TooLong),
    (400, "string_above_max_length", "invalid_request_error", "Invalid 'user': 'maximum context length' is too long", CLIENT, Fault::BadRequest),
    (400, "400", "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.", CLIENT, Fault::TooLarge),
    // Content that is refused
    (400, "content_filter", "", "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", CLIENT, Fault::ContentPolicy),
    (400, "ResponsibleAIPolicyViolation", "", "Filtered", CLIENT, Fault::ContentPolicy),
    (400, "", "invalid_request_error", "Output blocked by content filtering policy", CLIENT, Fault::ContentPolicy),
    (400, "invalid_request_error", "invalid_request_error", "Content Exists Risk", CLIENT, Fault::ContentPolicy),
    (400, "data_inspection_failed", "", "Input data may contain inappropriate content.", CLIENT, Fault::ContentPolicy),
    (403, "", "", "Content blocked by guardrail", CLIENT, Fault::ContentPolicy),
    (403, "403", "permission_denied", "Request blocked: prompt injection patterns detected", CLIENT, Fault::ContentPolicy),
    (403, "The caller does not have permission to execute the specified operation", "", "Content violates usage guidelines.", CLIENT, Fault::ContentPolicy),
    // The key
    (400, "Client specified an invalid argument", "", "Incorrect API key provided: xa***bc.", BAD_KEY, Fault::BadKey),
    (400, "400", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BAD_KEY, Fault::BadKey),
    (403, "", "", "The security token included in the request is expired", BAD_KEY, Fault::BadKey),
    (403, "", "", "The request signature we calculated does not match the signature you provided.", BAD_KEY, Fault::BadKey),
    (403, "", "", "Authentication failed: Please make sure your API Key is valid.", BAD_KEY, Fault::BadKey),
    (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided", BAD_KEY, Fault::BadKey),
    (401, "", "authentication_error", "invalid x-api-key", BAD_KEY, Fault::BadKey),
    (401, "401", "", "No auth credentials found", BAD_KEY, Fault::BadKey),
    (401, "", "", "", BAD_KEY, Fault::BadKey),
    (401, "mismatched_organization", "invalid_request_error", "Not a member", BAD_KEY, Fault::BadKey),
    (400, "API_KEY_INVALID", "INVALID_ARGUMENT", "API key not valid", BAD_KEY, Fault::BadKey),
    (403, "invalid_api_key", "", "Revoked", BAD_KEY, Fault::BadKey),
    // The money, whatever the status
    (429, "insufficient_quota", "insufficient_quota", "Check your plan", NO_MONEY, Fault::NoMoney),
    (429, "credit_balance_exhausted", "insufficient_quota", "Out of credit", NO_MONEY, Fault::NoMoney),
    (429, "organization_spend_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "project_spend_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "organization_usage_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "enforced_spend_limit_reached", "rate_limit_error", "Tier limit", NO_MONEY, Fault::NoMoney),
    (429, "billing_hard_limit_reached", "", "Limit", NO_MONEY, Fault::NoMoney),
    (400, "", "invalid_request_error", "Your credit balance is too low to call", NO_MONEY, Fault::NoMoney),
    (400, "", "invalid_request_error", "You have reached your specified API usage limits", NO_MONEY, Fault::NoMoney),
    (402, "", "billing_error", "Pay first", NO_MONEY, Fault::NoMoney),
    (402, "", "", "Insufficient Balance", NO_MONEY, Fault::NoMoney),
    (402, "payment_required", "", "Add credits", NO_MONEY, Fault::NoMoney),
    (402, "402", "RESOURCE_EXHAUSTED", "Prepaid credit is gone", NO_MONEY, Fault::NoMoney),
    (402, "in_flight_budget_exhausted", "", "Wait for running requests", GUESS, Fault::RateLimited),
    (402, "weight_exceeds_budget", "", "Request too dear", NEXT, Fault::NoMoney),
    (403, "", "", "Your team has used all available credits", NO_MONEY, Fault::NoMoney),
    (403, "403", "", "Key limit exceeded (monthly)", NO_MONEY, Fault::NoMoney),
    (429, "Some resource has been exhausted", "", "Your team 1f has either used all available credits or reached its monthly spending limit.", NO_MONEY, Fault::NoMoney),
    (403, "The caller does not have permission to execute the specified operation", "", "Your team has reached its monthly spending limit", NO_MONEY, Fault::NoMoney),
    (400, "blocked_api_access", "invalid_request_error", "Blocked due to a spend alert", NO_MONEY, Fault::NoMoney),
    (412, "PRECONDITION_FAILED", "", "Account x is suspended, possibly due to reaching the monthly spending limit", NO_MONEY, Fault::NoMoney),
    (429, "", "", "You are using a Trial key, which is limited to 1000 API calls / month.", NO_MONEY, Fault::NoMoney),
    (429, "", "", "You are using a Trial key, which is limited to 40 API calls / minute.", GUESS, Fault::RateLimited),
    // The account may not
    (403, "unsupported_country_region_territory", "request_forbidden", "Not here", FORBIDDEN, Fault::Forbidden),
    (403, "", "forbidden", "Request not allowed", FORBIDDEN, Fault::Forbidden),
    (403, "SERVICE_DISABLED", "PERMISSION_DENIED", "Enable the API", FORBIDDEN, Fault::Forbidden),
    (400, "400", "FAILED_PRECONDITION", "Free tier is not available", FORBIDDEN, Fault::Forbidden),
    (400, "organization_on_hold", "invalid_request_error", "On hold", FORBIDDEN, Fault::Forbidden),
    (403, "", "", "Access temporarily blocked", FORBIDDEN, Fault::Forbidden),
    // The model does something else
    (404, "", "invalid_request_error", "This is a chat model and not supported in the v1/completions endpoint.", NEXT, Fault::BadRequest),
    (404, "", "invalid_request_error", "This is not a chat model and thus not supported in the v1/chat/completions endpoint.", NEXT, Fault::BadRequest),
    (404, "", "invalid_request_error", "This model is only supported in v1/responses and not in v1/chat/completions.", NEXT, Fault::BadRequest),
    (403, "", "invalid_request_error", "You are not allowed to generate embeddings from this model", NEXT, Fault::BadRequest),
    // The model is not there
    (404, "model_not_found", "invalid_request_error", "No such model or no access", MISSING, Fault::ModelMissing),
    (403, "model_not_found", "invalid_request_error", "Project lacks the model", MISSING, Fault::ModelMissing),
    (404, "DeploymentNotFound", "", "No such deployment", MISSING, Fault::ModelMissing),
    (404, "", "not_found_error", "model: nothing", MISSING, Fault::ModelMissing),
    (404, "", "", "model 'x' not found, try pulling it first", MISSING, Fault::ModelMissing),
    (400, "model_decommissioned", "invalid_request_error", "Gone", MISSING, Fault::ModelMissing),
    (403, "", "permission_error", "Your organization has no access", MISSING, Fault::ModelMissing),
    (400, "invalid_request_error", "invalid_request_error", "Model Not Exist", MISSING, Fault::ModelMissing),
    (400, "1500", "invalid_model", "Invalid model: nothing", MISSING, Fault::ModelMissing),
    (400, "400", "", "acme/nothing is not a valid model ID", MISSING, Fault::ModelMissing),
    (400, "400", "", "Tool 'acme is not a valid model ID' is unknown", CLIENT, Fault::BadRequest),
    (400, "", "", "The provided model identifier is invalid.", MISSING, Fault::ModelMissing),
    (400, "", "", "Invocation of model ID x with on-demand throughput isn't supported.", MISSING, Fault::ModelMissing),
    (400, "OperationNotSupported", "", "The completion operation does not work with the specified model", MISSING, Fault::ModelMissing),
    // Limits and capacity
    (400, "", "", "Your request exceeds the service quota for your account.", GUESS, Fault::RateLimited),
    (429, "3505", "service_tier_capacity_exceeded", "Service tier capacity exceeded for this model.", GUESS, Fault::Overloaded),
    (429, "rate_limit_exceeded", "requests", "Limit reached", GUESS, Fault::RateLimited),
    (429, "rate_limit_exceeded", "tokens", "Please try again in 6m0.5s. See the docs.", cool(360_500), Fault::RateLimited),
    (429, "", "rate_limit_error", "Slow down", GUESS, Fault::RateLimited),
    (429, "429", "RESOURCE_EXHAUSTED", "Please retry in 38.2s.", cool(38_200), Fault::RateLimited),
    (429, "1300", "", "Service tier capacity exceeded for this model", GUESS, Fault::RateLimited),
    (413, "rate_limit_exceeded", "tokens", "Request too large for this tier", NEXT, Fault::TooLarge),
    (498, "", "", "Flex capacity", GUESS, Fault::Overloaded),
    (503, "server_is_overloaded", "server_error", "Overloaded", GUESS, Fault::Overloaded),
    (529, "", "overloaded_error", "Overloaded", GUESS, Fault::Overloaded),
    (503, "", "", "<html>busy</html>", GUESS, Fault::Overloaded),
    (429, "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 38s.", cool(38_000), Fault::RateLimited),
    (429, "429", "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0, model: y", MISSING, Fault::ModelMissing),
    (429, "429", "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0.5", GUESS, Fault::RateLimited),
    (429, "MODEL_CAPACITY_EXHAUSTED", "RESOURCE_EXHAUSTED", "No capacity", GUESS, Fault::Overloaded),
    (400, "API_KEY_INVALID", "INVALID_ARGUMENT", "API key not valid", BAD_KEY, Fault::BadKey),
    (402, "402", "RESOURCE_EXHAUSTED", "Prepayment credits are depleted", NO_MONEY, Fault::NoMoney),
    (403, "SERVICE_DISABLED", "PERMISSION_DENIED", "Not enabled", FORBIDDEN, Fault::Forbidden),
    (429, "ThrottlingException", "", "Too many tokens", GUESS, Fault::RateLimited),
    (400, "ServiceQuotaExceededException", "", "Quota", GUESS, Fault::RateLimited),
    (403, "ExpiredTokenException", "", "Expired", BAD_KEY, Fault::BadKey),
    (403, "AccessDeniedException", "", "No access to the model", MISSING, Fault::ModelMissing),
    (400, "ValidationException", "", "Malformed input request", CLIENT, Fault::BadRequest),
    (424, "ModelErrorException", "", "It failed", GUESS, Fault::Upstream),
    // It failed
    (408, "", "", "", GUESS, Fault::Upstream),
    (409, "", "conflict_error", "", GUESS, Fault::Upstream),
    (424, "", "", "Model error", GUESS, Fault::Upstream),
    (500, "", "server_error", "The server had an error", GUESS, Fault::Upstream),
    (502, "502", "", "Provider returned error", GUESS, Fault::Upstream),
    (504, "", "timeout_error", "", GUESS, Fault::Upstream),
    (520, "", "", "", GUESS, Fault::Upstream),
    (302, "", "", "", GUESS, Fault::Upstream),
    (400, "", "invalid_request_error", "Invalid service_tier for this project", NEXT, Fault::BadRequest),
];
