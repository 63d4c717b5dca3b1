//! What is said over a [`crate::channel`]: a request, then its answer, and so on.
//!
//! The encoding is exact: a tag, then the parts in order, lists and bytes behind a u32, no rest. Every
//! length has a limit that is looked at before anything is taken. What the messages carry for FROST is
//! bytes here, to be decoded by whoever knows what belongs there. Encoding does not check the limits:
//! the other side refuses what breaks them. Specification: `docs/spec/federation.md`.

use std::fmt;

use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use zeroize::Zeroizing;

use crate::signer::Signer;

/// Longest proposal of what to sign, in bytes.
pub const LONGEST_PROPOSAL: usize = 64 * 1024;
/// Longest package for one input, in bytes.
pub const LONGEST_PACKAGE: usize = 16 * 1024;
/// Longest message of a key generation, in bytes.
pub const LONGEST_KEYGEN: usize = 16 * 1024;
/// Longest commitments or share for one input, in bytes.
pub const LONGEST_PART: usize = 256;
/// Most packages, commitments or shares: one for each input.
pub const MOST_PARTS: usize = Signer::MOST_INPUTS;
/// Longest text, in characters.
pub const LONGEST_TEXT: usize = 300;

/// In front of bytes or a list.
const COUNT: usize = 4;

/// A round of a key generation ([`crate::keygen`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeygenRound {
    /// Commitments to polynomials.
    Commitments,
    /// Shares, each in confidence.
    Share,
    /// Hashes of what everybody saw.
    Agreement,
}

/// What the side that connected asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// How are you?
    Status,
    /// Round 1 of a signature: are you willing to sign what this proposal says?
    Commit {
        /// What to sign.
        proposal: Vec<u8>,
    },
    /// Round 2: the packages, one per input.
    Sign {
        /// What to sign, as in round 1.
        proposal: Vec<u8>,
        /// The packages.
        packages: Vec<Vec<u8>>,
    },
    /// Key generation, one per round.
    Keygen {
        /// The round.
        round: KeygenRound,
        /// Which generation.
        session: [u8; 32],
        /// The asking member's message of that round; in the second, it is secret.
        bytes: Zeroizing<Vec<u8>>,
    },
}

/// What the side that accepted answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Status`].
    Status(SignerStatus),
    /// To [`Request::Commit`]: commitments, one per input.
    Commitments(Vec<Vec<u8>>),
    /// To [`Request::Sign`]: shares, one per input.
    Shares(Vec<Vec<u8>>),
    /// No.
    Refused {
        /// Why, for programs.
        code: u16,
        /// Whether the same request will never get another answer.
        permanent: bool,
        /// Why, for people; as [`printable`] makes it.
        reason: String,
    },
    /// To [`Request::Keygen`]: this member's own message of that round, when it is there already.
    Keygen {
        /// The message; in the second round, it is secret.
        bytes: Zeroizing<Vec<u8>>,
    },
    /// To [`Request::Keygen`]: the message is not there yet.
    NotYet,
}

/// How a member is. Its texts are as [`printable`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerStatus {
    /// Its number.
    pub member: u16,
    /// Of its program.
    pub version: String,
    /// Of the last block that it has verified.
    pub height: u32,
    /// Hash of that block.
    pub tip: [u8; 32],
    /// Height that its Bitcoin node knows of.
    pub target: u32,
    /// Transaction and output of the vault, as this member sees it.
    pub vault_tip: ([u8; 32], u32),
    /// Why its operator has it sign nothing, if so.
    pub paused: Option<String>,
    /// Why it signs nothing any more by its own decision, if so.
    pub halted: Option<String>,
    /// Requests that it signed.
    pub signed: u64,
    /// Requests that it refused.
    pub refused: u64,
}

/// The text as a message can carry it: at most [`LONGEST_TEXT`] characters, no control characters.
#[must_use]
pub fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_TEXT).map(visible).collect()
}

impl Request {
    /// Bytes of the longest request, a [`Request::Sign`]: the limit to receive with.
    pub const LONGEST: usize =
        1 + (COUNT + LONGEST_PROPOSAL) + COUNT + MOST_PARTS * (COUNT + LONGEST_PACKAGE);
}

impl Answer {
    /// Bytes of the longest answer, with commitments or shares: the limit to receive with.
    pub const LONGEST: usize = 1 + COUNT + MOST_PARTS * (COUNT + LONGEST_PART);

    /// A refusal. The reason is made [`printable`].
    #[must_use]
    pub fn refused(code: u16, permanent: bool, reason: &str) -> Self {
        Self::Refused {
            code,
            permanent,
            reason: printable(reason),
        }
    }
}

// Some bytes are secret, and all are long: only their number is printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("Status"),
            Self::Commit { proposal } => write!(f, "Commit({} bytes)", proposal.len()),
            Self::Sign { proposal, packages } => {
                write!(f, "Sign({} bytes, {} packages)", proposal.len(), packages.len())
            }
            Self::Keygen { round, bytes, .. } => write!(f, "Keygen({round:?}, {} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Commitments(parts) => write!(f, "Commitments({})", parts.len()),
            Self::Shares(parts) => write!(f, "Shares({})", parts.len()),
            Self::Refused {
                code,
                permanent,
                reason,
            } => write!(f, "Refused({code}, permanent: {permanent}, {reason:?})"),
            Self::Keygen { bytes } => write!(f, "Keygen({} bytes)", bytes.len()),
            Self::NotYet => f.write_str("NotYet"),
        }
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("messages are shorter than 4 GiB");
    out.extend_from_slice(&count.to_le_bytes());
}

fn put_all(out: &mut Vec<u8>, parts: &[Vec<u8>]) {
    put_count(out, parts.len());
    for part in parts {
        put(out, part);
    }
}

fn put_option(out: &mut Vec<u8>, text: Option<&String>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put(out, text.as_bytes());
    }
}

fn get_count(reader: &mut Reader<'_>, most: usize, what: &'static str) -> Result<usize, DecodeError> {
    let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if count > most {
        return Err(DecodeError::OutOfRange(what));
    }
    Ok(count)
}

fn get<'a>(reader: &mut Reader<'a>, most: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = get_count(reader, most, what)?;
    reader.take(length)
}

fn get_all(reader: &mut Reader<'_>, longest: usize, what: &'static str) -> Result<Vec<Vec<u8>>, DecodeError> {
    let count = get_count(reader, MOST_PARTS, "the number of inputs")?;
    let parts = (0..count).map(|_| Ok(get(reader, longest, what)?.to_vec()));
    parts.collect()
}

fn get_text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let bytes = get(reader, LONGEST_TEXT * 4, "the length of a text")?;
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Unknown("characters in a text"))?;
    if text.chars().count() > LONGEST_TEXT {
        return Err(DecodeError::OutOfRange("the length of a text"));
    }
    if text.contains(char::is_control) {
        return Err(DecodeError::Unknown("characters in a text"));
    }
    Ok(text.to_owned())
}

fn get_flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Unknown("flag")),
    }
}

fn get_option(reader: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    get_flag(reader)?.then(|| get_text(reader)).transpose()
}

fn get_proposal(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    get(reader, LONGEST_PROPOSAL, "the length of a proposal").map(<[u8]>::to_vec)
}

fn get_keygen(reader: &mut Reader<'_>) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
    let bytes = get(
        reader,
        LONGEST_KEYGEN,
        "the length of a message of a key generation",
    )?;
    Ok(Zeroizing::new(bytes.to_vec()))
}

impl Encode for KeygenRound {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Commitments => 1,
            Self::Share => 2,
            Self::Agreement => 3,
        });
    }
}

impl Decode for KeygenRound {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Commitments),
            2 => Ok(Self::Share),
            3 => Ok(Self::Agreement),
            _ => Err(DecodeError::Unknown("round of a key generation")),
        }
    }
}

impl Encode for Request {
    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status => out.push(0),
            Self::Commit { proposal } => {
                out.push(1);
                put(out, proposal);
            }
            Self::Sign { proposal, packages } => {
                out.push(2);
                put(out, proposal);
                put_all(out, packages);
            }
            Self::Keygen {
                round,
                session,
                bytes,
            } => {
                out.push(3);
                round.encode_to(out);
                out.extend_from_slice(session);
                put(out, bytes);
            }
        }
    }
}

impl Decode for Request {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::Status),
            1 => Ok(Self::Commit {
                proposal: get_proposal(reader)?,
            }),
            2 => Ok(Self::Sign {
                proposal: get_proposal(reader)?,
                packages: get_all(reader, LONGEST_PACKAGE, "the length of a package")?,
            }),
            3 => Ok(Self::Keygen {
                round: KeygenRound::decode_from(reader)?,
                session: reader.array()?,
                bytes: get_keygen(reader)?,
            }),
            _ => Err(DecodeError::Unknown("request")),
        }
    }
}

impl Encode for Answer {
    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status(status) => {
                out.push(0);
                status.encode_to(out);
            }
            Self::Commitments(parts) => {
                out.push(1);
                put_all(out, parts);
            }
            Self::Shares(parts) => {
                out.push(2);
                put_all(out, parts);
            }
            Self::Refused {
                code,
                permanent,
                reason,
            } => {
                out.push(3);
                out.extend_from_slice(&code.to_le_bytes());
                out.push(u8::from(*permanent));
                put(out, reason.as_bytes());
            }
            Self::Keygen { bytes } => {
                out.push(4);
                put(out, bytes);
            }
            Self::NotYet => out.push(5),
        }
    }
}

impl Decode for Answer {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => SignerStatus::decode_from(reader).map(Self::Status),
            1 => get_all(reader, LONGEST_PART, "the length of commitments").map(Self::Commitments),
            2 => get_all(reader, LONGEST_PART, "the length of a share").map(Self::Shares),
            3 => Ok(Self::Refused {
                code: reader.u16()?,
                permanent: get_flag(reader)?,
                reason: get_text(reader)?,
            }),
            4 => Ok(Self::Keygen {
                bytes: get_keygen(reader)?,
            }),
            5 => Ok(Self::NotYet),
            _ => Err(DecodeError::Unknown("answer")),
        }
    }
}

impl Encode for SignerStatus {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.member.to_le_bytes());
        put(out, self.version.as_bytes());
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(&self.tip);
        out.extend_from_slice(&self.target.to_le_bytes());
        out.extend_from_slice(&self.vault_tip.0);
        out.extend_from_slice(&self.vault_tip.1.to_le_bytes());
        put_option(out, self.paused.as_ref());
        put_option(out, self.halted.as_ref());
        out.extend_from_slice(&self.signed.to_le_bytes());
        out.extend_from_slice(&self.refused.to_le_bytes());
    }
}

impl Decode for SignerStatus {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: reader.u16()?,
            version: get_text(reader)?,
            height: reader.u32()?,
            tip: reader.array()?,
            target: reader.u32()?,
            vault_tip: (reader.array()?, reader.u32()?),
            paused: get_option(reader)?,
            halted: get_option(reader)?,
            signed: reader.u64()?,
            refused: reader.u64()?,
        })
    }
}

#[cfg(test)]
mod tests;
