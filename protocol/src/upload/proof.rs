//! Proofs of chunks that the server has from another owner: who has their bytes need not send them.

use super::buffers::{Buffer, Stage};
use super::failed::is;
use super::{Action, Failure, Ticket, Upload};
use crate::digest::Digest;
use crate::problem::ProblemCode;
use crate::time::Millis;
use crate::wire::DigestsAnswer;
use crate::wire::proof::{PROOFS_PER_REQUEST_MAX, Proof, ProofRequest};

impl Upload {
    pub(super) fn prove_next(&mut self, now: Millis) -> Option<Action> {
        let ticket = Ticket(self.next_ticket);
        let action = self.buffers.iter_mut().find_map(|(buffer, slot)| {
            let stage = slot.stage_mut()?;
            let Stage::Challenged(nonce) = *stage else { return None };
            *stage = Stage::Proving { ticket, since: now };
            Some(Action::Prove { ticket, buffer, nonce })
        })?;
        self.next_ticket += 1;
        Some(action)
    }

    pub(super) fn on_proved(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Digest, Failure>,
    ) {
        let Some((buffer, stage)) = self.buffers.proving(ticket) else { return };
        match result {
            Ok(proof) => {
                *stage = Stage::Proved(proof);
                self.silences = 0;
            }
            Err(failure) => {
                self.free(buffer);
                self.retry_later(now, failure);
            }
        }
    }

    pub(super) fn next_proofs(&mut self) -> Option<ProofRequest> {
        let mut proofs = Vec::new();
        for (_, slot) in self.buffers.iter_mut() {
            let Buffer::Full { chunk, stage, .. } = slot else { continue };
            if let Stage::Proved(proof) = *stage
                && proofs.len() < PROOFS_PER_REQUEST_MAX
            {
                proofs.push(Proof { index: *chunk, proof });
                *stage = Stage::Shown;
            }
        }
        (!proofs.is_empty()).then_some(ProofRequest { proofs })
    }

    /// What the server did not take, because its own copy has rotten or is gone, is sent. The rest
    /// is offered once more: only that compares it with what the server has.
    pub(super) fn on_shown(&mut self, now: Millis, answer: DigestsAnswer) {
        self.after_showing(Stage::Cleared { replace: None });
        self.on_offered(now, answer);
    }

    /// What a wrong proof was shown of is sent; of the rest nobody knows.
    pub(super) fn proofs_failed(&mut self, failure: &Failure) {
        let wrong = is(failure, &[ProblemCode::WrongProof]);
        self.after_showing(if wrong { Stage::Cleared { replace: None } } else { Stage::Hashed });
    }

    fn after_showing(&mut self, next: Stage) {
        for stage in self.buffers.iter_mut().filter_map(|(_, slot)| slot.stage_mut()) {
            if *stage == Stage::Shown {
                *stage = next;
            }
        }
    }
}
