//! Teams: creating, renaming, deleting, and who is in them.

use tollgate::{
    domain::{allowed::Allowed, display_name::DisplayName, ids::TeamId, principal::Role},
    store::{
        StoreError,
        administered::{Changed, Created},
        teams::{NewTeam, TeamChange, TeamRefused, TeamRow},
        users::{NewUser, UserChange, UserRefused, UserRow},
    },
};

use tollgate::store::filter::Filter;

use crate::support::{Database, done, on_both};

on_both!(
    a_created_team_is_found_as_it_was_made,
    a_taken_name_is_refused,
    a_name_that_looks_like_a_taken_one_is_refused,
    a_team_is_renamed_and_a_change_to_what_is_so_already_writes_nothing,
    a_team_that_somebody_is_in_is_not_deleted,
    a_deleted_team_is_found_no_more_and_its_name_is_free,
    pages_follow_each_other_without_a_gap,
    a_user_joins_only_a_team_that_is_there,
    a_change_of_a_team_is_a_change_of_identity,
);

fn new_team(db: &Database, name: &str) -> NewTeam {
    let models = Allowed::from_stored(Some("[\"a\",\"b*\"]")).unwrap();
    NewTeam { id: TeamId(db.clock.new_id()), name: name.parse().unwrap(), models, created_at: db.clock.now() }
}

fn renamed(name: &DisplayName) -> TeamChange {
    TeamChange { name: Some(name.clone()), ..TeamChange::default() }
}

fn into(team: TeamId) -> UserChange {
    UserChange { team_id: Some(Some(team)), ..UserChange::default() }
}

async fn a_created_team_is_found_as_it_was_made(db: Database) {
    let new = new_team(&db, "Zoë's team");
    let Ok(Created::New(team)) = db.store.create::<TeamRow>(new.clone(), None).await else { panic!() };
    assert_eq!(
        (team.id, &team.name, team.created_at, team.updated_at),
        (new.id, &new.name, new.created_at, new.created_at)
    );
    assert_eq!((team.deleted_at, team.revision, &team.models), (None, 1, &new.models));
    assert_eq!(db.store.team(new.id).await, Ok(Some(team)));
    let twin = NewTeam { id: new.id, ..new_team(&db, "twin") };
    assert_eq!(db.store.create::<TeamRow>(twin, None).await, Err(StoreError::Conflict("teams")));
}

async fn a_taken_name_is_refused(db: Database) {
    let (first, second) = (db.team("first").await, db.team("second").await);
    assert_eq!(
        db.store.create::<TeamRow>(new_team(&db, "first"), None).await,
        Ok(Created::Refused(TeamRefused::NameTaken))
    );
    let rename = db.store.change::<TeamRow>(second.id, renamed(&first.name), db.clock.now()).await;
    assert_eq!(rename, Ok(Changed::Refused(TeamRefused::NameTaken)));
}

async fn a_name_that_looks_like_a_taken_one_is_refused(db: Database) {
    let team = db.team("Zoë's  team").await;
    for twin in ["zoë's team", "Zoe\u{308}'s team"] {
        let refused = db.store.create::<TeamRow>(new_team(&db, twin), None).await;
        assert_eq!(refused, Ok(Created::Refused(TeamRefused::NameTaken)), "{twin:?}");
    }
    let own = renamed(&"ZOË'S TEAM".parse().unwrap());
    assert!(matches!(db.store.change::<TeamRow>(team.id, own, db.clock.now()).await, Ok(Changed::Done { .. })));
}

async fn a_team_is_renamed_and_a_change_to_what_is_so_already_writes_nothing(db: Database) {
    let team = db.team("before").await;
    db.clock.advance(std::time::Duration::from_secs(5));
    let name = "after".parse::<DisplayName>().unwrap();
    let changed = db.store.change::<TeamRow>(team.id, renamed(&name), db.clock.now()).await;
    let Ok(Changed::Done { before, after }) = changed else { panic!("{changed:?}") };
    assert_eq!((&before, after.name.as_str(), after.updated_at), (&team, "after", db.clock.now()));
    assert_eq!(db.store.team(team.id).await, Ok(Some(after.clone())));
    let again = db.store.change::<TeamRow>(team.id, renamed(&name), db.clock.now()).await;
    assert_eq!(again, Ok(Changed::Done { before: after.clone(), after }));
    let nobody = TeamId(db.clock.new_id());
    assert_eq!(db.store.change::<TeamRow>(nobody, renamed(&name), db.clock.now()).await, Ok(Changed::NotFound));
}

async fn a_team_that_somebody_is_in_is_not_deleted(db: Database) {
    let (team, user, now) = (db.team("team").await, db.user("ada", Role::User).await, db.clock.now());
    done(db.store.change::<UserRow>(user.id, into(team.id), now).await);
    assert_eq!(db.store.delete::<TeamRow>(team.id, now).await, Ok(Changed::Refused(TeamRefused::InUse)));
    done(db.store.delete::<UserRow>(user.id, now).await);
    assert!(matches!(db.store.delete::<TeamRow>(team.id, now).await, Ok(Changed::Done { .. })));
}

async fn a_deleted_team_is_found_no_more_and_its_name_is_free(db: Database) {
    let (team, now) = (db.team("team").await, db.clock.now());
    let deleted = db.store.delete::<TeamRow>(team.id, now).await;
    assert!(matches!(&deleted, Ok(Changed::Done { before, .. }) if *before == team), "{deleted:?}");
    assert_eq!(db.store.team(team.id).await, Ok(None));
    assert_eq!(db.store.teams_page(Filter::default(), None, 10).await, Ok(vec![]));
    assert_eq!(db.store.delete::<TeamRow>(team.id, now).await, Ok(Changed::NotFound));
    assert_ne!(db.team("team").await.id, team.id);
}

async fn pages_follow_each_other_without_a_gap(db: Database) {
    let mut teams = vec![];
    for n in 0..5 {
        teams.push(db.team(&format!("team-{n}")).await);
    }
    let first = db.store.teams_page(Filter::default(), None, 3).await.unwrap();
    let rest = db.store.teams_page(Filter::default(), first.last().map(|team| team.id), 3).await.unwrap();
    assert_eq!([first, rest].concat(), teams);
}

async fn a_user_joins_only_a_team_that_is_there(db: Database) {
    let (gone, user) = (db.team("gone").await, db.user("ada", Role::User).await);
    done(db.store.change::<UserRow>(user.id, UserChange::default(), db.clock.now()).await);
    db.store.delete::<TeamRow>(gone.id, db.clock.now()).await.unwrap();
    for team in [gone.id, TeamId(db.clock.new_id())] {
        assert_eq!(
            db.store.change::<UserRow>(user.id, into(team), db.clock.now()).await,
            Ok(Changed::Refused(UserRefused::NoSuchTeam))
        );
        let member = NewUser { team_id: Some(team), ..db.new_user("bob", Role::User) };
        assert_eq!(db.store.create::<UserRow>(member, None).await, Ok(Created::Refused(UserRefused::NoSuchTeam)));
    }
}

async fn a_change_of_a_team_is_a_change_of_identity(db: Database) {
    let before = db.store.identity_revision().await.unwrap();
    assert_eq!(db.team("team").await.revision, before + 1);
}
