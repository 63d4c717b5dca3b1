//! Turns the queues of forced requests into answers of the RPC, from the state that Bitcoin shows.

use tacit_protocol::kv::KvRead;
use tacit_protocol::params::ChainParams;
use tacit_verifier::batch::due::Queue;
use tacit_verifier::chain::forced::{Fate, Position, Settled};
use tacit_verifier::chain::{due_until, table};
use tacit_wallet::api::{
    ApiError, ForcedPage, ForcedPlace, ForcedQuery, ForcedQueue, ForcedRange, ForcedRequestStatus,
    ForcedState, ForcedSubject, MAX_FORCED,
};

use super::storage;

type Answer<T> = Result<T, ApiError>;

fn nobody(at: Position) -> ApiError {
    ApiError::Internal(format!("the tables disagree about the request posted in {at}"))
}

fn place(at: Position) -> ForcedPlace {
    ForcedPlace {
        height: at.height,
        transaction: at.tx,
        input: at.input,
    }
}

/// What is the same for all requests of an answer.
struct Look<'a> {
    kv: &'a dyn KvRead,
    window: u32,
    /// Requests posted up to this height are due.
    until: Option<u32>,
}

impl<'a> Look<'a> {
    fn new(kv: &'a dyn KvRead, params: &ChainParams) -> Answer<Self> {
        Ok(Self {
            kv,
            window: u32::from(params.genesis().forced_window),
            until: due_until(kv, params).map_err(|e| storage(&e))?,
        })
    }

    fn waiting(&self, queue: Queue, at: Position) -> Answer<Option<ForcedState>> {
        let before = table::waiting_before(self.kv, queue, at).map_err(|e| storage(&e))?;
        Ok(before.map(|before| ForcedState::Waiting {
            before,
            due: self.until.is_some_and(|until| at.height <= until),
        }))
    }

    fn report(
        &self,
        at: Position,
        subject: ForcedSubject,
        (posted_by, status): (bitcoin::Txid, ForcedState),
    ) -> ForcedRequestStatus {
        ForcedRequestStatus {
            place: place(at),
            posted_by,
            subject,
            due_height: at.height.saturating_add(self.window),
            status,
        }
    }

    /// The deposit of a sweep.
    fn deposit(&self, sweep: u32) -> Answer<ForcedSubject> {
        let swept = table::swept(self.kv, sweep).map_err(|e| storage(&e))?;
        let swept = swept.ok_or_else(|| ApiError::Internal(format!("sweep {sweep} is missing")))?;
        Ok(ForcedSubject::Outpoint(swept.outpoint))
    }
}

/// What became of a request that a batch has dealt with.
fn settled(found: Option<Settled>, at: Position) -> Answer<(bitcoin::Txid, ForcedState)> {
    let Settled { txid, batch, fate } = found.ok_or_else(|| nobody(at))?;
    let state = match fate {
        Fate::Honoured => ForcedState::Honoured { batch },
        Fate::Void(reason) => ForcedState::Dropped {
            batch,
            reason: reason.to_string(),
        },
    };
    Ok((txid, state))
}

/// All requests for one transfer or deposit that entered a queue.
pub(super) fn status(
    kv: &dyn KvRead,
    params: &ChainParams,
    query: &ForcedQuery,
) -> Answer<Vec<ForcedRequestStatus>> {
    let look = Look::new(kv, params)?;
    let mut found = Vec::new();
    match query {
        ForcedQuery::Txid(id) => {
            for at in table::posted_transfers(kv, id).map_err(|e| storage(&e))? {
                let outcome = match look.waiting(Queue::Transfers, at)? {
                    Some(state) => {
                        let row = table::forced_transfer(kv, at).map_err(|e| storage(&e))?;
                        (row.ok_or_else(|| nobody(at))?.txid, state)
                    }
                    None => settled(table::settled_transfer(kv, at).map_err(|e| storage(&e))?, at)?,
                };
                found.push(look.report(at, ForcedSubject::Txid(*id), outcome));
            }
        }
        ForcedQuery::Outpoint(outpoint) => {
            let Some(sweep) = table::sweep_of(kv, outpoint).map_err(|e| storage(&e))? else {
                return Ok(found);
            };
            for at in table::posted_claims(kv, sweep).map_err(|e| storage(&e))? {
                let outcome = match look.waiting(Queue::Claims, at)? {
                    Some(state) => {
                        let row = table::forced_claim(kv, at).map_err(|e| storage(&e))?;
                        (row.ok_or_else(|| nobody(at))?.txid, state)
                    }
                    None => settled(table::settled_claim(kv, at).map_err(|e| storage(&e))?, at)?,
                };
                found.push(look.report(at, ForcedSubject::Outpoint(*outpoint), outcome));
            }
        }
    }
    Ok(found)
}

/// Requests of a queue that wait, in order.
pub(super) fn page(kv: &dyn KvRead, params: &ChainParams, range: &ForcedRange) -> Answer<ForcedPage> {
    let look = Look::new(kv, params)?;
    let limit = range.limit.min(MAX_FORCED) as usize;
    let after = range.after.map(|place| Position {
        height: place.height,
        tx: place.transaction,
        input: place.input,
    });
    let waits = |queue, at| look.waiting(queue, at)?.ok_or_else(|| nobody(at));
    let queue = match range.queue {
        ForcedQueue::Transfers => Queue::Transfers,
        ForcedQueue::Deposits => Queue::Claims,
    };
    let mut requests = Vec::new();
    match queue {
        Queue::Transfers => {
            let rows = table::forced_transfers(kv, after, u32::MAX, limit).map_err(|e| storage(&e))?;
            for (at, row) in rows {
                let outcome = (row.txid, waits(queue, at)?);
                requests.push(look.report(at, ForcedSubject::Txid(row.id), outcome));
            }
        }
        Queue::Claims => {
            let rows = table::forced_claims(kv, after, u32::MAX, limit).map_err(|e| storage(&e))?;
            for (at, row) in rows {
                let outcome = (row.txid, waits(queue, at)?);
                requests.push(look.report(at, look.deposit(row.claim.sweep)?, outcome));
            }
        }
    }
    let start = params.genesis().start_height;
    Ok(ForcedPage {
        anchor_height: table::anchor_height(kv)
            .map_err(|e| storage(&e))?
            .unwrap_or(start),
        waiting: table::waiting_count(kv, queue).map_err(|e| storage(&e))?,
        requests,
    })
}

#[cfg(test)]
mod tests;
