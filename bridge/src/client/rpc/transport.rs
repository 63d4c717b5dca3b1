//! One HTTP request per call, with the credentials of Bitcoin Core.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jsonrpc::base64::Engine;
use jsonrpc::base64::engine::general_purpose::STANDARD;
use jsonrpc::bitreq;
use jsonrpc::{Request, Response};
use serde_json::Value;

use crate::client::ClientError;

/// The largest answer taken: a full block with its spent outputs in JSON stays far below.
const MAX_ANSWER: usize = 256 << 20;

/// How much of an unexpected answer an error repeats.
const MAX_QUOTE: usize = 200;

/// How to prove to a node that one may talk to it.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// `rpcuser` and `rpcpassword`, or a pair made by `rpcauth`.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// The file that bitcoind writes at each start; read anew for every request, so a restarted
    /// node is no surprise.
    Cookie(PathBuf),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user}, …)"),
            Self::Cookie(path) => write!(f, "Cookie({})", path.display()),
        }
    }
}

impl Auth {
    /// The value of the `Authorization` header.
    fn header(&self) -> Result<String, ClientError> {
        let pair = match self {
            Self::UserPassword { user, password } => format!("{user}:{password}"),
            Self::Cookie(path) => fs::read_to_string(path).map_err(|error| ClientError::Cookie {
                path: path.clone(),
                detail: error.to_string(),
            })?,
        };
        Ok(format!("Basic {}", STANDARD.encode(pair.trim_end())))
    }
}

/// The way to one node.
#[derive(Debug)]
pub(super) struct Transport {
    url: String,
    auth: Auth,
    next_id: AtomicU64,
}

impl Transport {
    pub(super) fn new(url: &str, auth: Auth) -> Self {
        Self {
            url: url.to_owned(),
            auth,
            next_id: AtomicU64::new(1),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends one call and takes its answer apart as far as JSON-RPC goes.
    pub(super) fn request(
        &self,
        method: &str,
        params: &Value,
        timeout: Duration,
    ) -> Result<Response, ClientError> {
        let malformed = |detail: String| ClientError::Malformed {
            method: method.to_owned(),
            detail,
        };
        let params = serde_json::value::to_raw_value(params)
            .map_err(|error| malformed(format!("parameters: {error}")))?;
        let id = Value::from(self.next_id.fetch_add(1, Ordering::Relaxed));
        let request = Request {
            method,
            params: Some(&params),
            id: id.clone(),
            jsonrpc: Some("2.0"),
        };
        let http = bitreq::Request::new(bitreq::Method::Post, self.url.as_str())
            .with_timeout(timeout)
            .with_max_body_size(MAX_ANSWER)
            .with_header("Authorization", self.auth.header()?)
            .with_json(&request)
            .map_err(|error| malformed(format!("parameters: {error}")))?;
        let answer = http.send().map_err(|error| self.explain(method, &error))?;
        let status = answer.status_code;
        match status {
            401 => {
                return Err(ClientError::Unauthorised {
                    url: self.url.clone(),
                });
            }
            403 => {
                return Err(ClientError::Forbidden {
                    url: self.url.clone(),
                });
            }
            _ => {}
        }
        let response: Response = match serde_json::from_slice(answer.as_bytes()) {
            Ok(response) => response,
            Err(error) if status == 200 => return Err(malformed(error.to_string())),
            Err(_) => {
                let body = quote(answer.as_bytes());
                return Err(ClientError::Http {
                    url: self.url.clone(),
                    status,
                    body,
                });
            }
        };
        if response.id != id {
            return Err(malformed("it answers another question".to_owned()));
        }
        Ok(response)
    }

    /// The typed form of a failure below HTTP.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add variants; all others mean that no answer came"
    )]
    fn explain(&self, method: &str, error: &bitreq::Error) -> ClientError {
        let (url, detail) = (self.url.clone(), error.to_string());
        match error {
            bitreq::Error::InvalidUrl(_) | bitreq::Error::HttpsFeatureNotEnabled => {
                ClientError::BadUrl { url, detail }
            }
            bitreq::Error::BodyOverflow => ClientError::Malformed {
                method: method.to_owned(),
                detail,
            },
            _ => ClientError::Unreachable { url, detail },
        }
    }
}

/// The start of an answer that nobody expected, on one line.
fn quote(body: &[u8]) -> String {
    let head = &body[..body.len().min(MAX_QUOTE)];
    String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
