use longhaul_protocol::ProblemCode;

use super::refused::EXCESS_RETRY_SECONDS;
use super::*;
use crate::outcome::Beside;

const ONE: &str = "192.0.2.1";

fn doors(limits: PlaceLimits) -> Arc<Doors> {
    Arc::new(Doors::new(limits))
}

fn proxies() -> Proxies {
    Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Proxies::default() }
}

fn admit(doors: &Arc<Doors>, peer: &str) -> Option<Seat> {
    doors.admit(peer.parse().unwrap(), &proxies())
}

async fn code(seat: &Seat) -> Option<(ProblemCode, Beside)> {
    let refusal = seat.refuse(seat.ask(false, None).err()?).await;
    Some((refusal.code, refusal.beside))
}

#[tokio::test]
async fn who_is_one_too_many_is_told_so_until_one_has_left() {
    let doors = doors(PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() });
    let first = admit(&doors, ONE).unwrap();
    let second = admit(&doors, ONE).unwrap();
    assert_eq!((code(&first).await, first.lasts()), (None, None));
    let told = Some((ProblemCode::TooManyRequests, Beside::Wait(EXCESS_RETRY_SECONDS)));
    assert_eq!((code(&second).await, second.lasts()), (told, Some(TURNED_AWAY_TIMEOUT)));
    assert_eq!(code(&admit(&doors, "192.0.2.2").unwrap()).await, None);
    drop(second);
    assert_eq!(code(&admit(&doors, ONE).unwrap()).await, told);
    drop(first);
    assert_eq!(code(&admit(&doors, ONE).unwrap()).await, None);
}

#[tokio::test]
async fn a_full_server_is_nobodys_fault_and_has_room_again() {
    let doors = doors(PlaceLimits { connections_max: 1, ..PlaceLimits::default() });
    let first = admit(&doors, ONE).unwrap();
    let second = admit(&doors, "192.0.2.2").unwrap();
    assert_eq!(code(&second).await, Some((ProblemCode::Unavailable, Beside::Nothing)));
    drop((first, second));
    assert_eq!(code(&admit(&doors, ONE).unwrap()).await, None);
}

#[test]
fn only_so_many_are_told() {
    let doors = doors(PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() });
    let mut seats: Vec<_> = (0..=TURNED_AWAY_MAX).map(|_| admit(&doors, ONE).unwrap()).collect();
    assert!(admit(&doors, ONE).is_none());
    assert!(admit(&doors, "192.0.2.2").is_some(), "that is another");
    seats.pop();
    assert!(admit(&doors, ONE).is_some());
}

#[test]
fn a_body_is_counted_while_it_comes() {
    let doors = doors(PlaceLimits { place_bodies_max: 1, ..PlaceLimits::default() });
    let (one, other) = (admit(&doors, ONE).unwrap(), admit(&doors, ONE).unwrap());
    let stay = one.ask(true, None).unwrap();
    let refused = other.ask(true, None).unwrap_err();
    assert_eq!(refused, Refused::Excess(Excess::Has(Thing::Body, 1)));
    assert!(other.ask(false, None).is_ok(), "that has none");
    drop(stay);
    assert!(other.ask(true, None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_waits_for_his_answer() {
    let limits = PlaceLimits {
        place_requests_per_second: 1,
        place_requests_burst: 2,
        ..PlaceLimits::default()
    };
    let seat = admit(&doors(limits), ONE).unwrap();
    assert_eq!(code(&seat).await, None);
    let before = tokio::time::Instant::now();
    let told = code(&seat).await;
    assert_eq!(told, Some((ProblemCode::TooManyRequests, Beside::Wait(1))));
    assert_eq!(before.elapsed(), TOO_OFTEN_PAUSE);
}

#[test]
fn what_comes_by_a_proxy_counts_for_whom_it_is() {
    let limits = PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() };
    let doors = doors(limits);
    // The proxy may have as many as it wants.
    let [one, other] = [(); 2].map(|()| admit(&doors, "10.0.0.1").unwrap());
    let ask = |seat: &Seat, client: &str| seat.ask(false, client.parse().ok());
    let stay = ask(&one, ONE).unwrap();
    let refused = Refused::Excess(Excess::Has(Thing::Connection, 1));
    assert_eq!(ask(&other, ONE).unwrap_err(), refused);
    assert!(ask(&other, "192.0.2.2").is_ok());
    assert_eq!(admit(&doors, ONE).unwrap().refused, Some(refused), "by itself too");
    drop(stay);
    assert!(ask(&other, ONE).is_ok());
}
