"""Lines to start from, shown under the help of each verb; the tests read each with the command line's own parser."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "fetch": (
        ("chorus fetch", "download the sample homes"),
        ("chorus fetch --homes unpacked/", "use those of another folder"),
    ),
    "ingest": (
        ("chorus ingest photos/ --as kitchen", "photos with or without poses, RGB-D frames, a COLMAP project"),
        ("chorus ingest walk.mp4 --as flat", "a video"),
        ("chorus ingest scan.ply --as hall --up y --unit cm", "splats, saying what the file does not"),
    ),
    "fit": (("chorus fit kitchen", "after chorus ingest DIR --as kitchen"),),
    "teach": (
        ("chorus teach", "every scene of the workspace"),
        ("chorus teach kitchen hall --jobs 1", "two scenes, one at a time"),
    ),
    "distill": (
        ("chorus distill", "as params.yaml says"),
        ("chorus distill --nproc 2", "in two processes that share each step"),
    ),
    "shard": (
        ("chorus shard s3://rooms/shards", "then: CHORUS_SHARDS=s3://rooms/shards chorus distill --nproc 8"),
        ("chorus shard shards --scenes 20", "to a folder, of twenty rooms each"),
    ),
    "adapt": (
        ("chorus adapt workshop hall -o workshop-model/", "the model at hand to two scenes of your own"),
        ("chorus adapt workshop -o model/ --model base/ --tune all", "another one, all of it"),
        ("chorus adapt", "after chorus distill: the second domain of the sample homes"),
    ),
    "evaluate": (
        ("chorus evaluate --split validation", "to choose by"),
        ("chorus evaluate", "the held-out rooms, once a release"),
        ("chorus evaluate --scenes scannet/val --labels scannet200_labels.txt", "the scenes of a benchmark"),
    ),
    "trial": (
        ("chorus trial more --generated 100", "the designed rooms and a hundred drawn ones, in the folder more"),
        ("chorus trial few --designed 10", "ten designed rooms"),
    ),
    "record": (("chorus record -o run.json", "figures of the trained encoder on the validation rooms"),),
    "export": (
        ("chorus export -o model/", "to pass on, or to name with --model"),
        ('chorus export -o model/ --most 8 --note "Taught on offices."', "refused above 8 MB"),
    ),
    "encode": (
        ("chorus encode scene.ply -o features.safetensors", "what answers words"),
        ("chorus encode sample -o sample.safetensors --outputs lang upcast", "a file for each"),
        ("chorus encode scene.ply -o out.safetensors --model base --adapter lamplight", "with a domain's adapter"),
    ),
    "query": (
        ('chorus query sample "where i sleep"', "the room that ships"),
        ('chorus query scene.spz "a red chair" "something to sit on" -o maps/', "two questions to a file"),
    ),
    "describe": (
        ("chorus describe sample", "in sentences"),
        ("chorus describe scene.ply --json", "sizes, places and relations, for a program"),
    ),
    "show": (("chorus show sample -o room.png", "from above and from inside"),),
    "view": (
        ("chorus view sample", "in the browser"),
        ("chorus view sample --static room.html", "one page to mail"),
        ("chorus view kitchen --beside model/", "what two models make of one scene"),
        ("chorus view kitchen --host 0.0.0.0 --token-file token", "for others, who show the token"),
    ),
    "serve": (
        ("chorus serve --scenes rooms/", "over HTTP, on loopback"),
        ("chorus serve --mcp", "for an assistant, over stdin and stdout"),
    ),
    "convert": (
        ("chorus convert scene.ply scene.spz", "the suffix says how"),
        ("chorus convert scan.splat scan.ply --upright --up -y", "z up and in metres"),
        ("chorus convert data/capture/kitchen colmap/", "a capture as a COLMAP project"),
    ),
    "label": (
        ("chorus label sample -o labelled.ply", "things of rooms"),
        ("chorus label scene.ply -o labelled.ply --names floor wall desk", "names of your own"),
    ),
    "crop": (
        ('chorus crop sample -o bed.ply --object "a bed"', "what answers best"),
        ("chorus crop scene.ply -o corner.ply --box 0 0 0 2 2 1", "what lies between two corners"),
    ),
    "report": (
        ("chorus report", "the tables of the last evaluation"),
        ("chorus report --markdown README.md", "also between two marker lines of a file"),
    ),
    "teachers": (
        ("chorus teachers list", "what is here, and what needs it"),
        ("chorus teachers pull siglip2 dinov3", "into the folder params.yaml names"),
    ),
    "import-checkpoint": (("chorus import-checkpoint released.pth -o model/", "then name it with --model"),),
}


def shown(verb: str) -> str:
    """The examples of a verb as lines to print."""
    width = max(len(line) for line, _ in EXAMPLES[verb])
    return "\n".join(["examples:", *(f"  {line:{width}}   {what}" for line, what in EXAMPLES[verb])])
