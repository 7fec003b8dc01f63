//! Header fields of a request that change what a call to a model costs.

use serde_json::json;

use super::{
    metering::{Scene, scene_of, whole},
    support::{Answer, TestStore},
};

on_both_stores!(a_field_may_name_the_model_of_the_request_and_no_other, a_field_asks_for_a_tier_as_a_member_does);

async fn call(scene: &Scene, field: &str, value: &str) -> Answer {
    let body = json!({ "model": "demo", "messages": [{ "role": "user", "content": "four?" }] });
    scene.gateway.post("/up").token(&scene.gateway.admin).header(field, value).json(&body).send().await
}

async fn a_field_may_name_the_model_of_the_request_and_no_other(store: &TestStore) {
    let scene = scene_of(store, "openai-chat").await;
    let call = |field, value| call(&scene, field, value);
    for (field, value) in
        [("x-ms-model-mesh-model-name", "dear"), ("X-AI-EG-Model", "dear"), ("Helicone-Fallbacks", "[\"dear\"]")]
    {
        let problem = call(field, value).await.problem(400, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], format!("header:{}", field.to_lowercase()), "{problem}");
    }
    let answer = whole("200 OK", r#"{"model":"demo","usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
    let serve = async { drop(scene.upstream.serve(&answer).await) };
    tokio::join!(serve, call("x-ms-model-mesh-model-name", "demo")).1.expect(200);
    scene.gateway.finish().await;
}

async fn a_field_asks_for_a_tier_as_a_member_does(store: &TestStore) {
    let scene = scene_of(store, "openai-chat").await;
    let field = "x-amzn-bedrock-performanceconfig-latency";
    let unpriced = call(&scene, field, "optimized").await.problem(400, "invalid-request")["errors"][0].to_string();
    assert!(unpriced.contains("service_tiers for optimized") && unpriced.contains(field), "{unpriced}");
    scene.gateway.finish().await;
}
