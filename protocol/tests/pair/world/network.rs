//! What becomes of a request on its way: it arrives, is lost, is doubled, or its answer is.

use longhaul_protocol::Digest;
use longhaul_protocol::plan::{CHUNK_LEN_SHORT, ChunkIndex};
use longhaul_protocol::upload::{Call, Failure, Input, Ticket};
use longhaul_protocol::wire::header::{ChunkHeaders, StoreHeaders};
use longhaul_protocol::wire::ids::UploadId;

use super::{Event, World};
use crate::pair::chance::{Course, Fate};

impl World {
    pub(super) fn post(&mut self, ticket: Ticket, call: Call) {
        let is_verified = || self.sender.progress(self.now).checked == self.config.size;
        assert!(!(self.scene.verifies && matches!(call, Call::Seal(..))) || is_verified());
        let delay = self.chance.delay();
        let fate = self.fate();
        if fate.doubled {
            let again = delay + self.chance.delay();
            self.after(again, Event::Call { ticket, call: call.clone(), answer: false });
        }
        match fate.course {
            Course::Lost => self.fail(ticket, delay, true),
            Course::Vanished => {}
            Course::Arrives => self.after(delay, Event::Call { ticket, call, answer: true }),
            Course::AnswerLost => {
                self.after(delay, Event::Call { ticket, call, answer: false });
                self.fail(ticket, 2 * delay, true);
            }
        }
    }

    pub(super) fn send(
        &mut self,
        ticket: Ticket,
        upload: UploadId,
        headers: ChunkHeaders,
        body: Digest,
    ) {
        assert_eq!(body, headers.digest, "the buffer that is sent is the one that was hashed");
        let told = self.told.get(&upload).is_some_and(|told| told.contains(headers.index));
        // A reference whose source turns out to have rotted is taken back.
        let rotten = self.receiver.lends && self.receiver.rotten.contains(&headers.digest);
        let may_be_sent = !told || headers.replace.is_some() || rotten;
        assert!(may_be_sent, "{} was told to be held", headers.index);
        if headers.replace.is_some() {
            // Whatever comes of it, the old bytes may be gone.
            self.told.entry(upload).or_default().remove(headers.index);
        }
        let until = self.left_alone.get(&(upload, headers.index)).copied().unwrap_or_default();
        assert!(until <= self.now, "{} was taken back at once", headers.index);
        self.sent_as.insert(ticket, (upload, headers.index));
        self.sends += 1;
        self.went_on += u64::from(headers.offset > 0);
        assert!(self.sending.len() as u64 <= 5, "at most five lanes");
        let (delay, fate) = (self.chance.delay(), self.fate());
        let damaged = self.chance.damages(headers.index);
        let body = if damaged { Digest::of(b"noise") } else { body };
        self.after(delay / 2, Event::Input(Input::Moved { ticket, bytes: 4096 }));
        let chunk = |answer| Event::Chunk { ticket, upload, headers, body, answer };
        if fate.doubled {
            let again = delay + self.chance.rng.u64(0..500);
            self.after(again, chunk(false));
        }
        match fate.course {
            Course::Lost => {
                let bytes = self.chance.rng.u64(0..CHUNK_LEN_SHORT);
                self.after(delay, Event::BreakOff { upload, headers, bytes });
                self.fail(ticket, delay, false);
            }
            Course::Vanished => {}
            Course::Arrives => self.after(delay, chunk(true)),
            Course::AnswerLost => {
                self.after(delay, chunk(false));
                self.fail(ticket, 2 * delay, false);
            }
        }
    }

    pub(super) fn store(&mut self, ticket: Ticket, headers: StoreHeaders, body: Digest) {
        assert_eq!(body, headers.digest, "the buffer that is sent is the one that was hashed");
        self.sends += 1;
        let (delay, fate) = (self.chance.delay(), self.fate());
        let body = if self.chance.damages(ChunkIndex(0)) { Digest::of(b"noise") } else { body };
        let whole = |answer| Event::Store { ticket, headers: headers.clone(), body, answer };
        if fate.doubled {
            let again = delay + self.chance.rng.u64(0..500);
            self.after(again, whole(false));
        }
        let failure = || Err(Failure::Network("reset".to_owned()));
        let lost = |result| Event::Input(Input::Stored { ticket, result });
        match fate.course {
            Course::Lost => self.after(delay, lost(failure())),
            Course::Vanished => {}
            Course::Arrives => self.after(delay, whole(true)),
            Course::AnswerLost => {
                self.after(delay, whole(false));
                self.after(2 * delay, lost(failure()));
            }
        }
    }

    fn fail(&mut self, ticket: Ticket, delay: u64, call: bool) {
        let failure = Failure::Network("reset".to_owned());
        let input = if call {
            Input::Answer { ticket, result: Err(failure) }
        } else {
            Input::Sent { ticket, result: Err(failure) }
        };
        self.after(delay, Event::Input(input));
    }

    fn fate(&mut self) -> Fate {
        let fate = self.chance.fate();
        if let Some(delay) = fate.restart_in {
            self.after(delay, Event::Restart);
        }
        fate
    }
}
