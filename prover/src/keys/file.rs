//! The proving-key file.
//!
//! ```text
//! header   magic "TACITKEY" · version u32 · flags u32 (bit 0: INSECURE) · name (1 + 63 bytes)
//!          circuit digest 32 · public, witness, constraints, domain u64
//!          bytes of the verifying key, points of A, of B, of L u64
//! hash     B2[TacitKeyFile]("header", header), 32 bytes
//! sections verifying key (canonical) · β, δ in G1 · map A · A · map B · B in G1 · B in G2 · map L · L · H
//! hash     BLAKE3 of header hash and sections, keyed by its purpose, 32 bytes
//! ```
//!
//! Integers are little-endian; a map is a bitmap of the variables that have a point; points are raw
//! Montgomery limbs ([`super::Table`]). Every section starts at a multiple of 64 bytes, zeros before
//! it, so that the tables can be used where they lie in the mapped file. The second hash is one that
//! all cores compute at once, faster than a disk reads.
//!
//! Points are not checked against the curve or its subgroup when they are read: the hash stands for
//! that, since the set-up wrote only group elements. A file whose points were replaced together with
//! its hashes makes proofs that fail their self-verification; it cannot make a false statement verify,
//! because verifiers pin their own key. A file is replaced by renaming another over it, never written
//! in place: that would change a key under the feet of whoever has it mapped.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use ark_bn254::{G1Affine, g1, g2};
use memmap2::{Mmap, MmapOptions};
use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::hash::{B2, Label};
use tacit_verifier::groth16::{KeyRule, VerifyingKey};
use thiserror::Error;

use super::table::{RawCurve, Table, get_index, put_index};
use super::{CircuitId, Parts, ProvingKey, Query, Sizes, is_name};
use crate::progress::{Progress, Stage};
use crate::setup::domain_size;

const MAGIC: &[u8; 8] = b"TACITKEY";
pub(super) const VERSION: u32 = 2;
const INSECURE: u32 = 1;
const HASH: usize = 32;
/// Bytes of the header.
const HEADER: usize = 8 + 4 + 4 + (1 + CircuitId::MAX_NAME) + 32 + 4 * 8 + 4 * 8;
/// What the start of every section is a multiple of.
const ALIGNMENT: usize = 64;

/// A part of a key file, for saying which one is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header.
    Header,
    /// The sections behind it.
    Body,
    /// Bytes behind the end.
    Trailing,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "its header does not have the recorded hash",
            Self::Body => "its contents do not have the recorded hash",
            Self::Trailing => "bytes follow its end",
        })
    }
}

/// Why a key could not be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("no key file at {}", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file or its directory could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a Tacit key file", path.display())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The file's format is of another version.
    #[error("{} has format {found}, this program reads {VERSION}; delete it to have it made again", path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file ends too early.
    #[error("{} is truncated: {found} of {expected} bytes; delete it to have it made again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length it should have.
        expected: u64,
        /// The length it has.
        found: u64,
    },
    /// The file was damaged.
    #[error("{} is corrupt: {part}; delete it to have it made again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        part: Part,
    },
    /// The file's key is for another circuit.
    #[error("{} is a key for {found}, needed is one for {expected}", path.display())]
    OtherCircuit {
        /// The file.
        path: PathBuf,
        /// The circuit that was asked for.
        expected: String,
        /// The circuit of the file.
        found: String,
    },
    /// The circuit that was built is not the one that was asked for.
    #[error("the circuit {name} was built with digest {found}, expected is {expected}")]
    CircuitChanged {
        /// Name of the circuit.
        name: String,
        /// The digest that was asked for, in hex.
        expected: String,
        /// The digest that was built, in hex.
        found: String,
    },
    /// A development key on the main network.
    #[error("{} is a development key; the main network refuses it: install the key of a ceremony", path.display())]
    InsecureOnMainnet {
        /// The file.
        path: PathBuf,
    },
    /// The verifying key inside breaks a rule.
    #[error("the verifying key of {name} is unusable: {rule}")]
    Rule {
        /// Name of the circuit.
        name: String,
        /// The rule.
        rule: KeyRule,
    },
}

/// The header's fields.
struct Header {
    circuit: CircuitId,
    insecure: bool,
    sizes: Sizes,
    vk_bytes: u64,
    points_a: u64,
    points_b: u64,
    points_l: u64,
}

impl Header {
    fn of(parts: &Parts, vk_bytes: usize) -> Self {
        Self {
            circuit: parts.circuit.clone(),
            insecure: parts.insecure,
            sizes: parts.sizes,
            vk_bytes: vk_bytes as u64,
            points_a: parts.a.index().len() as u64,
            points_b: parts.b_g1.index().len() as u64,
            points_l: parts.l.index().len() as u64,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&if self.insecure { INSECURE } else { 0 }.to_le_bytes());
        let mut name = [0; CircuitId::MAX_NAME];
        name[..self.circuit.name().len()].copy_from_slice(self.circuit.name().as_bytes());
        out.push(u8::try_from(self.circuit.name().len()).expect("at most 63 bytes"));
        out.extend_from_slice(&name);
        out.extend_from_slice(self.circuit.digest());
        let Sizes {
            num_public,
            num_witness,
            num_constraints,
            domain,
        } = self.sizes;
        for n in [num_public, num_witness, num_constraints, domain] {
            out.extend_from_slice(&(n as u64).to_le_bytes());
        }
        for n in [self.vk_bytes, self.points_a, self.points_b, self.points_l] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out
    }

    /// Reads what follows magic and version. The hash was checked before: `None` means that
    /// something else than this program wrote the file.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.take(12).ok()?;
        let flags = reader.u32().ok()?;
        let length = usize::from(reader.u8().ok()?);
        let (name, padding) = reader.take(CircuitId::MAX_NAME).ok()?.split_at_checked(length)?;
        let digest = reader.array().ok()?;
        let mut size = || usize::try_from(reader.u64().ok()?).ok();
        let sizes = Sizes {
            num_public: size()?,
            num_witness: size()?,
            num_constraints: size()?,
            domain: size()?,
        };
        let mut count = || reader.u64().ok();
        let (vk_bytes, points_a, points_b, points_l) = (count()?, count()?, count()?, count()?);
        let sane = flags & !INSECURE == 0
            && is_name(name)
            && padding.iter().all(|&b| b == 0)
            && sizes.num_public > 0
            && sizes.num_public.checked_add(sizes.num_witness)? < 1 << 32
            && domain_size(sizes.num_constraints, sizes.num_public) == Some(sizes.domain);
        let name = std::str::from_utf8(name).ok()?;
        sane.then(|| Self {
            circuit: CircuitId::new(name, digest),
            insecure: flags == INSECURE,
            sizes,
            vk_bytes,
            points_a,
            points_b,
            points_l,
        })
    }

    /// Where the sections are, in order; `None` on overflow.
    fn sections(&self) -> Option<[Range<usize>; 10]> {
        let points = |n: u64, bytes: usize| usize::try_from(n).ok()?.checked_mul(bytes);
        let (g1, g2) = (Table::<g1::Config>::BYTES, Table::<g2::Config>::BYTES);
        let variables = self.sizes.num_variables().div_ceil(8);
        let lengths = [
            usize::try_from(self.vk_bytes).ok()?,
            2 * g1,
            variables,
            points(self.points_a, g1)?,
            variables,
            points(self.points_b, g1)?,
            points(self.points_b, g2)?,
            self.sizes.num_witness.div_ceil(8),
            points(self.points_l, g1)?,
            self.sizes.domain.checked_mul(g1)?,
        ];
        let mut end = HEADER + HASH;
        let mut ranges = [const { 0..0 }; 10];
        for (range, length) in ranges.iter_mut().zip(lengths) {
            let start = end.checked_next_multiple_of(ALIGNMENT)?;
            end = start.checked_add(length)?;
            *range = start..end;
        }
        end.checked_add(HASH)?;
        Some(ranges)
    }
}

fn header_hash(header: &[u8]) -> [u8; HASH] {
    B2::new(Label::KeyFile).bytes(b"header").bytes(header).finish32()
}

/// The hash of what lies between the header and the end.
fn body_hasher() -> blake3::Hasher {
    blake3::Hasher::new_derive_key("Tacit proving-key file, version 2: header hash and sections")
}

/// The bytes of a key's file, in pieces to be written one after another.
pub(super) fn encode(key: &ProvingKey) -> Vec<Cow<'_, [u8]>> {
    let parts = key.parts();
    let vk = parts.vk.encode();
    let header = Header::of(parts, vk.len());
    let ranges = header
        .sections()
        .expect("a key in memory is no larger than memory");
    let variables = parts.sizes.num_variables();
    let sections: [Cow<'_, [u8]>; 10] = [
        vk.into(),
        Table::new(&[parts.beta_g1, parts.delta_g1])
            .bytes()
            .to_vec()
            .into(),
        put_index(parts.a.index(), variables).into(),
        parts.a.points().bytes().into(),
        put_index(parts.b_g1.index(), variables).into(),
        parts.b_g1.points().bytes().into(),
        parts.b_g2.points().bytes().into(),
        put_index(parts.l.index(), parts.sizes.num_witness).into(),
        parts.l.points().bytes().into(),
        parts.h.bytes().into(),
    ];
    let header = header.encode();
    let hash = header_hash(&header);
    let mut pieces: Vec<Cow<'_, [u8]>> = vec![header.into(), hash.to_vec().into()];
    let mut end = HEADER + HASH;
    for (section, range) in sections.into_iter().zip(ranges) {
        pieces.push(vec![0; range.start - end].into());
        pieces.push(section);
        end = range.end;
    }
    let mut hasher = body_hasher();
    for piece in &pieces[1..] {
        hasher.update_rayon(piece);
    }
    pieces.push(hasher.finalize().as_bytes().to_vec().into());
    pieces
}

/// Maps and checks a key file, whatever circuit it is for.
///
/// # Errors
/// [`KeyError`] says what is wrong with the file.
pub fn read(path: &Path, progress: &dyn Progress) -> Result<ProvingKey, KeyError> {
    progress.begin(Stage::ReadKey, 1);
    let file = map(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            KeyError::NotFound { path }
        } else {
            KeyError::Io { path, source }
        }
    })?;
    let key = decode(&Arc::new(file), path)?;
    progress.advance(1);
    Ok(key)
}

#[allow(unsafe_code, reason = "mapping a file")]
fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the bytes must not change while they are mapped. This program replaces key files by
    // renaming (`super::store`), which leaves a mapped one as it is; whoever writes into the file
    // itself could as well write into the program's memory. Any bytes are valid limbs, so even then
    // the worst from changed contents is a proof that does not verify, and such proofs do not leave.
    //
    // All of it is about to be hashed: mapping its pages one fault at a time would take longer than that.
    unsafe { MmapOptions::new().populate().map(&file) }
}

fn decode(file: &Arc<Mmap>, path: &Path) -> Result<ProvingKey, KeyError> {
    let bytes: &[u8] = file;
    let path = || path.to_owned();
    let corrupt = |part| KeyError::Corrupt { path: path(), part };
    let truncated = |expected: usize| KeyError::Truncated {
        path: path(),
        expected: expected as u64,
        found: bytes.len() as u64,
    };

    let present = bytes.len().min(MAGIC.len());
    if bytes.is_empty() {
        return Err(truncated(HEADER));
    }
    if bytes[..present] != MAGIC[..present] {
        return Err(KeyError::NotAKeyFile { path: path() });
    }
    if bytes.len() < HEADER + 2 * HASH {
        return Err(truncated(HEADER + 2 * HASH));
    }
    let found = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    if found != VERSION {
        return Err(KeyError::UnsupportedVersion { path: path(), found });
    }
    let (header_bytes, rest) = bytes.split_at(HEADER);
    if rest[..HASH] != header_hash(header_bytes) {
        return Err(corrupt(Part::Header));
    }
    let header = Header::decode(header_bytes).ok_or_else(|| corrupt(Part::Header))?;
    let sections = header.sections().ok_or_else(|| corrupt(Part::Header))?;
    let end = sections[9].end;
    if bytes.len() < end + HASH {
        return Err(truncated(end + HASH));
    }
    if bytes.len() > end + HASH {
        return Err(corrupt(Part::Trailing));
    }
    let mut hasher = body_hasher();
    hasher.update_rayon(&bytes[HEADER..end]);
    if bytes[end..] != *hasher.finalize().as_bytes() {
        return Err(corrupt(Part::Body));
    }
    let parts = assemble(header, file, &sections).ok_or_else(|| corrupt(Part::Body))?;
    let name = parts.circuit.name().to_owned();
    ProvingKey::new(parts).map_err(|rule| KeyError::Rule { name, rule })
}

/// Decodes the sections. Their hash was checked before: `None` means that something else than this
/// program wrote the file.
fn assemble(header: Header, file: &Arc<Mmap>, sections: &[Range<usize>; 10]) -> Option<Parts> {
    let [vk, deltas, map_a, a, map_b, b_g1, b_g2, map_l, l, h] = sections;
    let index = |map: &Range<usize>, n: usize| get_index(&file[map.clone()], n);
    let variables = header.sizes.num_variables();
    let index_b = index(map_b, variables)?;
    let deltas = Table::<g1::Config>::mapped(file, deltas.clone())?;
    let deltas: Vec<G1Affine> = deltas.points().collect();
    let [beta_g1, delta_g1] = deltas.try_into().ok()?;
    Some(Parts {
        circuit: header.circuit,
        insecure: header.insecure,
        sizes: header.sizes,
        vk: VerifyingKey::decode(&file[vk.clone()]).ok()?,
        beta_g1,
        delta_g1,
        a: query(index(map_a, variables)?, file, a)?,
        b_g1: query(index_b.clone(), file, b_g1)?,
        b_g2: query(index_b, file, b_g2)?,
        l: query(index(map_l, header.sizes.num_witness)?, file, l)?,
        h: Table::mapped(file, h.clone())?,
    })
}

fn query<C: RawCurve>(index: Vec<u32>, file: &Arc<Mmap>, bytes: &Range<usize>) -> Option<Query<C>> {
    let points = Table::mapped(file, bytes.clone())?;
    (index.len() == points.len()).then(|| Query::new(index, points))
}
