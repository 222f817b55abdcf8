//! Archives from before docker 1.10: the image ID is the one that docker 1.10 to 28 shows.
//!
//! Docker 1.9's JSON is taken over but for IDs and size, so the expected config is put together by
//! hand (`build::v1::config`). Older JSON goes through docker's structs first; those two configs are
//! what `docker save` gave after a real 20.10.24 had loaded such an archive.

use serde_json::json;

use crate::build::image::{Image, digest, layer};
use crate::build::run::Place;
use crate::build::tar::Tar;
use crate::build::trip::{archive_holds, holds, to_layout};
use crate::build::v1::{Directory, archive, config, docker19, id};

/// `config` of docker 1.0 with nothing set, cut where `Env` and `Cmd` stand.
const OLD_HEAD: &str = r#"{"Hostname":"","Domainname":"","User":"","Memory":0,"MemorySwap":0,"CpuShares":0,"Cpuset":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"PortSpecs":null,"ExposedPorts":null,"Tty":false,"OpenStdin":false,"StdinOnce":false,"#;
const OLD_TAIL: &str = r#","Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"NetworkDisabled":false,"OnBuild":null}"#;
/// The same as docker 20.10 writes it.
const NEW_HEAD: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"#;

/// Base, a layer without files, and one more; the empty one as docker wrote it: two zero blocks.
fn chain() -> [Directory; 3] {
    [
        docker19("base", None, layer("base"), "#(nop) ADD file:1 in /"),
        docker19("middle", Some("base"), Tar::new().end(), "#(nop) MAINTAINER a"),
        docker19("top", Some("middle"), layer("top"), "echo <top>"),
    ]
}

fn image(chain: &[Directory]) -> Image {
    let layers = chain.iter().map(|it| it.layer.clone()).collect();
    Image::of(layers).config(config(chain))
}

#[test]
fn a_parent_chain_of_docker_1_9_becomes_the_image_that_docker_shows() {
    let chain = chain();
    let source = archive(&chain, Some(&json!({"demo/old": {"1": id("top")}})));
    archive_holds(&source, &[image(&chain).named(&["demo/old:1"])]);
}

#[test]
fn directories_of_docker_1_9_may_come_in_any_order() {
    let [base, middle, top] = chain();
    let source = archive(
        &[top.clone(), base.clone(), middle.clone()],
        Some(&json!({"demo/old": {"1": id("top")}})),
    );
    archive_holds(&source, &[image(&[base, middle, top]).named(&["demo/old:1"])]);
}

#[test]
fn without_repositories_the_image_that_is_no_parent_is_read_without_a_name() {
    let chain = chain();
    archive_holds(&archive(&chain, None), &[image(&chain)]);
}

#[test]
fn a_tagged_parent_is_an_image_of_its_own() {
    let chain = chain();
    let tags = json!({"demo/old": {"base": id("base"), "top": id("top")}});
    let place = Place::new();
    let source = place.put("source.tar", &archive(&chain, Some(&tags)));
    let (files, _) = to_layout(&place, &source);
    let base = image(&chain[..1]).named(&["demo/old:base"]);
    holds(&files, &[base, image(&chain).named(&["demo/old:top"])]);
}

#[test]
fn two_names_of_one_directory_are_one_image() {
    let chain = chain();
    let tags = json!({"demo/old": {"1": id("top"), "2": id("top")}, "other": {"3": id("top")}});
    let names = ["demo/old:1", "demo/old:2", "other:3"];
    archive_holds(&archive(&chain, Some(&tags)), &[image(&chain).named(&names)]);
}

#[test]
fn a_layer_of_no_bytes_is_a_layer_as_in_docker() {
    let base = docker19("base", None, layer("base"), "a");
    let top = docker19("top", Some("base"), Vec::new(), "b");
    let source =
        archive(&[base.clone(), top.clone()], Some(&json!({"demo/old": {"1": id("top")}})));
    let place = Place::new();
    let source = place.put("source.tar", &source);
    let (files, _) = to_layout(&place, &source);
    holds(&files, &[image(&[base, top]).named(&["demo/old:1"])]);
}

#[test]
fn json_of_docker_1_0_in_the_form_of_inspect_is_read_as_docker_reads_it() {
    let base = Directory {
        id: id("base"),
        json: format!(
            r#"{{"Architecture":"amd64","Author":"","Comment":"Imported from -","Config":null,"Container":"","ContainerConfig":{OLD_HEAD}"Env":null,"Cmd":null{OLD_TAIL},"Created":"2014-06-09T16:20:00.500Z","DockerVersion":"1.0.0","Id":"{}","Os":"linux","Parent":"","Size":0}}"#,
            id("base")
        ) + "\n",
        layer: layer("base"),
    };
    let top = Directory {
        id: id("top"),
        json: format!(
            r#"{{"Architecture":"amd64","Author":"a <a@b>","Comment":"","Config":{OLD_HEAD}"Env":null,"Cmd":["/bin/sh"]{OLD_TAIL},"Container":"c0ffee","ContainerConfig":{OLD_HEAD}"Env":null,"Cmd":["/bin/sh","-c","x"]{OLD_TAIL},"Created":"2014-06-09T16:20:01+02:00","DockerVersion":"1.0.0","Id":"{}","Os":"linux","Parent":"{}","Size":7}}"#,
            id("top"),
            id("base")
        ) + "\n",
        layer: layer("top"),
    };
    // `ContainerConfig` and `DockerVersion` are not the keys that docker looks for, so both are lost.
    let tail = r#","Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}"#;
    let config = format!(
        r#"{{"architecture":"amd64","author":"a \u003ca@b\u003e","config":{NEW_HEAD}"Env":null,"Cmd":["/bin/sh"]{tail},"container":"c0ffee","container_config":{NEW_HEAD}"Env":null,"Cmd":null{tail},"created":"2014-06-09T16:20:01+02:00","history":[{{"created":"2014-06-09T16:20:00.5Z","comment":"Imported from -"}},{{"created":"2014-06-09T16:20:01+02:00","author":"a \u003ca@b\u003e"}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}","{}"]}}}}"#,
        digest(&base.layer),
        digest(&top.layer)
    );
    old(&[base, top], config);
}

#[test]
fn json_before_docker_1_8_3_is_written_anew_through_dockers_structs() {
    let base = Directory {
        id: id("base"),
        json: format!(
            r#"{{"id":"{}","comment":"Imported from -","created":"2013-06-13T14:03:50.821769-07:00","container_config":{OLD_HEAD}"Env":null,"Cmd":null{OLD_TAIL},"docker_version":"0.4.0","architecture":"x86_64","Size":0}}"#,
            id("base")
        ),
        layer: layer("base"),
    };
    let top = Directory {
        id: id("top"),
        json: format!(
            r##"{{"id":"{}","parent":"{}","created":"2015-03-04T21:38:56.700Z","container":"c0ffee","container_config":{OLD_HEAD}"Env":null,"Cmd":["/bin/sh","-c","#(nop) ADD x in /"]{OLD_TAIL},"docker_version":"1.4.1","author":"a \u003ca@b\u003e","config":{OLD_HEAD}"Env":["A=1"],"Cmd":null,"Image":"","Volumes":{{"/v":{{}}}},"WorkingDir":"","Entrypoint":null,"NetworkDisabled":true,"MacAddress":"","SecurityOpt":null,"OnBuild":null}},"architecture":"amd64","os":"linux","Size":215725104,"weird":1}}"##,
            id("top"),
            id("base")
        ),
        layer: layer("top"),
    };
    let config = format!(
        r##"{{"architecture":"amd64","author":"a \u003ca@b\u003e","config":{NEW_HEAD}"Env":["A=1"],"Cmd":null,"Image":"","Volumes":{{"/v":{{}}}},"WorkingDir":"","Entrypoint":null,"NetworkDisabled":true,"OnBuild":null,"Labels":null}},"container":"c0ffee","container_config":{NEW_HEAD}"Env":null,"Cmd":["/bin/sh","-c","#(nop) ADD x in /"],"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}},"created":"2015-03-04T21:38:56.7Z","docker_version":"1.4.1","history":[{{"created":"2013-06-13T14:03:50.821769-07:00","comment":"Imported from -"}},{{"created":"2015-03-04T21:38:56.7Z","author":"a \u003ca@b\u003e","created_by":"/bin/sh -c #(nop) ADD x in /"}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}","{}"]}}}}"##,
        digest(&base.layer),
        digest(&top.layer)
    );
    old(&[base, top], config);
}

/// The chain, tagged `demo/old:1`, is the image with this config.
#[track_caller]
fn old(chain: &[Directory], config: String) {
    let layers = chain.iter().map(|it| it.layer.clone()).collect();
    let image = Image::of(layers).config(config).named(&["demo/old:1"]);
    let top = &chain[chain.len() - 1].id;
    archive_holds(&archive(chain, Some(&json!({"demo/old": {"1": top}}))), &[image]);
}
