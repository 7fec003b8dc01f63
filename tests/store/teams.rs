//! Teams: creating, renaming, deleting, and who is in them.

use tollgate::{
    domain::{ids::TeamId, principal::Role},
    store::{
        StoreError,
        teams::{NewTeam, TeamChanged, TeamCreated},
        users::{Changed, Created, NewUser, UserChange},
    },
};

use crate::support::{Database, done, on_both};

on_both!(
    a_created_team_is_found_as_it_was_made,
    a_taken_name_is_refused,
    a_team_is_renamed_and_a_change_to_what_is_so_already_writes_nothing,
    a_team_that_somebody_is_in_is_not_deleted,
    a_deleted_team_is_found_no_more_and_its_name_is_free,
    pages_follow_each_other_without_a_gap,
    a_user_joins_only_a_team_that_is_there,
    a_change_of_a_team_is_a_change_of_identity,
);

fn new_team(db: &Database, name: &str) -> NewTeam {
    NewTeam { id: TeamId(db.clock.new_id()), name: name.parse().unwrap(), created_at: db.clock.now() }
}

fn into(team: TeamId) -> UserChange {
    UserChange { team_id: Some(Some(team)), ..UserChange::default() }
}

async fn a_created_team_is_found_as_it_was_made(db: Database) {
    let new = new_team(&db, "Zoë's team");
    let Ok(TeamCreated::New(team)) = db.store.create_team(new.clone(), None).await else { panic!() };
    assert_eq!(
        (team.id, &team.name, team.created_at, team.updated_at),
        (new.id, &new.name, new.created_at, new.created_at)
    );
    assert_eq!((team.deleted_at, team.revision), (None, 1));
    assert_eq!(db.store.team(new.id).await, Ok(Some(team)));
    let twin = NewTeam { id: new.id, ..new_team(&db, "twin") };
    assert_eq!(db.store.create_team(twin, None).await, Err(StoreError::Conflict("teams")));
}

async fn a_taken_name_is_refused(db: Database) {
    let (first, second) = (db.team("first").await, db.team("second").await);
    assert_eq!(db.store.create_team(new_team(&db, "first"), None).await, Ok(TeamCreated::NameTaken));
    let rename = db.store.rename_team(second.id, first.name, db.clock.now()).await;
    assert_eq!(rename, Ok(TeamChanged::NameTaken));
}

async fn a_team_is_renamed_and_a_change_to_what_is_so_already_writes_nothing(db: Database) {
    let team = db.team("before").await;
    db.clock.advance(std::time::Duration::from_secs(5));
    let name = "after".parse::<tollgate::domain::team::TeamName>().unwrap();
    let renamed = db.store.rename_team(team.id, name.clone(), db.clock.now()).await;
    let Ok(TeamChanged::Done { before, after }) = renamed else { panic!("{renamed:?}") };
    assert_eq!((&before, after.name.as_str(), after.updated_at), (&team, "after", db.clock.now()));
    assert_eq!(db.store.team(team.id).await, Ok(Some(after.clone())));
    let again = db.store.rename_team(team.id, name.clone(), db.clock.now()).await;
    assert_eq!(again, Ok(TeamChanged::Done { before: after.clone(), after }));
    let nobody = TeamId(db.clock.new_id());
    assert_eq!(db.store.rename_team(nobody, name, db.clock.now()).await, Ok(TeamChanged::NotFound));
}

async fn a_team_that_somebody_is_in_is_not_deleted(db: Database) {
    let (team, user, now) = (db.team("team").await, db.user("ada", Role::User).await, db.clock.now());
    done(db.store.change_user(user.id, into(team.id), now).await);
    assert_eq!(db.store.delete_team(team.id, now).await, Ok(TeamChanged::InUse));
    done(db.store.delete_user(user.id, now).await);
    assert!(matches!(db.store.delete_team(team.id, now).await, Ok(TeamChanged::Done { .. })));
}

async fn a_deleted_team_is_found_no_more_and_its_name_is_free(db: Database) {
    let (team, now) = (db.team("team").await, db.clock.now());
    let deleted = db.store.delete_team(team.id, now).await;
    assert!(matches!(&deleted, Ok(TeamChanged::Done { before, .. }) if *before == team), "{deleted:?}");
    assert_eq!(db.store.team(team.id).await, Ok(None));
    assert_eq!(db.store.teams_page(None, 10).await, Ok(vec![]));
    assert_eq!(db.store.delete_team(team.id, now).await, Ok(TeamChanged::NotFound));
    assert_ne!(db.team("team").await.id, team.id);
}

async fn pages_follow_each_other_without_a_gap(db: Database) {
    let mut teams = vec![];
    for n in 0..5 {
        teams.push(db.team(&format!("team-{n}")).await);
    }
    let first = db.store.teams_page(None, 3).await.unwrap();
    let rest = db.store.teams_page(first.last().map(|team| team.id), 3).await.unwrap();
    assert_eq!([first, rest].concat(), teams);
}

async fn a_user_joins_only_a_team_that_is_there(db: Database) {
    let (gone, user) = (db.team("gone").await, db.user("ada", Role::User).await);
    done(db.store.change_user(user.id, UserChange::default(), db.clock.now()).await);
    db.store.delete_team(gone.id, db.clock.now()).await.unwrap();
    for team in [gone.id, TeamId(db.clock.new_id())] {
        assert_eq!(db.store.change_user(user.id, into(team), db.clock.now()).await, Ok(Changed::NoSuchTeam));
        let member = NewUser { team_id: Some(team), ..db.new_user("bob", Role::User) };
        assert_eq!(db.store.create_user(member, None).await, Ok(Created::NoSuchTeam));
    }
}

async fn a_change_of_a_team_is_a_change_of_identity(db: Database) {
    let before = db.store.identity_revision().await.unwrap();
    assert_eq!(db.team("team").await.revision, before + 1);
}
