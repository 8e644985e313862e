#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# stores.sh - models in the folders of other programs, by name and by path: what is read, what is said, what is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BB_BIN:-build/bitbudget}
case $bin in /*) ;; *) bin=$PWD/$bin ;; esac
demo=$PWD/data/demo.gguf
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
export LC_ALL=C.UTF-8 NO_COLOR=1 HOME=$T/home
unset HF_HOME HF_HUB_CACHE XDG_CACHE_HOME
export OLLAMA_MODELS=$T/home/.ollama/models # that of a service on this machine is none of ours
n=0 failed=0
ok() { # status, name
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        echo "not ok $n - $2"
        failed=1
        sed 's/^/# out: /' "$T/out" | head -12
        sed 's/^/# err: /' "$T/err" | head -4
    fi
}
bb() { (cd "$T/cwd" && timeout 20 "$bin" "$@") >"$T/out" 2>"$T/err"; }
# name, then a command line that must succeed and print a line with the text (stdout or stderr)
yes() {
    local name=$1 text=$2
    shift 2
    bb "$@" && cat "$T/out" "$T/err" | tr '\n' ' ' | tr -s ' ' | grep -qF -- "$text"
    ok $? "$name"
}
# the same for one that must end with 3, one line and perhaps one hint
no() {
    local name=$1 text=$2 rc
    shift 2
    bb "$@"
    rc=$?
    [ $rc = 3 ] && [ ! -s "$T/out" ] && [ "$(wc -l <"$T/err")" -le 2 ] && grep -qF -- "$text" "$T/err" &&
        ! LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$T/err"
    ok $? "$name"
}
config() { # file: a small llama
    printf '{"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"num_attention_heads":4,"num_key_value_heads":4,"intermediate_size":128,"vocab_size":100,"max_position_embeddings":256,"tie_word_embeddings":false,"torch_dtype":"float16"}' >"$1"
}
tensors() { # file [name]: a safetensors file with one tensor of 2x3 f16
    local h="{\"${2:-w}\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}"
    while [ $((${#h} % 8)) != 0 ]; do h="$h "; done
    { printf "\\x$(printf %02x ${#h})\\0\\0\\0\\0\\0\\0\\0"; printf '%s' "$h"; printf '\0\0\0\0\0\0\0\0\0\0\0\0'; } >"$1"
}
hub=$T/home/.cache/huggingface/hub
commit() { printf '%040d' "$1"; }
snapshot() { # org/name number [main]: an empty snapshot, its folder in $snap
    repo=$hub/models--${1//\//--}
    snap=$repo/snapshots/$(commit "$2")
    mkdir -p "$snap" "$repo/blobs" "$repo/refs"
    if [ $# -gt 2 ]; then commit "$2" >"$repo/refs/main"; fi
}
link() { # blob name: a file of the snapshot as the hub's program makes it
    ln -s "../../blobs/$1" "$snap/$2"
}
mkdir -p "$T/cwd" "$T/home"
echo 1..111

# ---- the cache of the hub
snapshot acme/small 1 main
cp "$demo" "$repo/blobs/aa" && link aa model.gguf
yes 'org/name is the only GGUF of its snapshot' 'acme/small 3.67 M parameters' plan acme/small
yes 'it says where it was found' "Found on this disk (Hugging Face cache): $snap" plan acme/small --memory 300GiB
yes 'the case of the name does not matter' 'acme/small 3.67 M' plan Acme/SMALL
yes 'inspect takes it too' '"store": "Hugging Face cache"' inspect acme/small --json
yes 'a path to the folder of the repository' 'acme/small 3.67 M' plan "$repo"
yes 'the same with slashes at its end' 'acme/small 3.67 M' plan "$repo//"
yes 'a path to the snapshot' 'acme/small 3.67 M' plan "$snap"
yes 'a file of the snapshot by name' 'acme/small 3.67 M' plan acme/small/model.gguf
no 'no such file in the snapshot' 'holds no such file' plan acme/small/other.gguf
no 'no way out of the snapshot' 'no such file or folder' plan acme/small/../../../blobs/aa.gguf
mkdir -p "$T/cwd/acme/small" && config "$T/cwd/acme/small/config.json"
yes 'a path that exists wins' 'small 95.04 K parameters' plan acme/small
rm -r "$T/cwd/acme"
HF_HUB_CACHE=$hub HOME=/nonexistent yes 'HF_HUB_CACHE' 'acme/small 3.67 M' plan acme/small
HF_HOME=${hub%/hub} HOME=/nonexistent yes 'HF_HOME' 'acme/small 3.67 M' plan acme/small
XDG_CACHE_HOME=$T/home/.cache HOME=/nonexistent yes 'XDG_CACHE_HOME' 'acme/small 3.67 M' plan acme/small
HF_HOME='~/.cache/huggingface' yes 'HF_HOME with the home folder in it' 'acme/small 3.67 M' plan acme/small
HF_HUB_CACHE=/nonexistent no 'HF_HUB_CACHE wins over the home folder' "no model is called 'acme/small'" plan acme/small

snapshot acme/small 2
config "$snap/config.json"
yes 'refs/main decides between snapshots' 'acme/small 3.67 M' plan acme/small
yes 'a revision by its commit' 'acme/small 95.04 K' plan "acme/small@$(commit 2)"
mkdir -p "$repo/refs/refs/pr" && commit 2 >"$repo/refs/refs/pr/1"
yes 'a revision by its name' 'acme/small 95.04 K' plan acme/small@refs/pr/1
no 'a revision that is not there' "no revision 'v2' is in the cache" plan acme/small@v2
no 'a revision that would lead elsewhere' 'no model is called' plan acme/small@../../x
rm "$repo/refs/main" && touch -d 2001-01-01 "$repo/snapshots/$(commit 1)"
yes 'without refs/main the newest, and a warning' 'refs/main leads to no snapshot: the newest of 2 was taken' plan acme/small
printf '../../../etc' >"$repo/refs/main"
yes 'a damaged refs/main is no path' 'acme/small 95.04 K' plan acme/small

snapshot acme/part 3 main
config "$snap/config.json"
: >"$repo/blobs/bb.incomplete"
yes 'a download of which only config.json came' 'counted from config.json: the folder holds no weights; downloads that have not ended: 1' plan acme/part
: >"$snap/model-00001-of-00003.safetensors"; : >"$snap/model-00003-of-00003.safetensors"; : >"$snap/model.safetensors.index.json"
yes 'missing shards are counted' 'counted from config.json: 2 of 3 shards are in the folder' plan acme/part
yes 'the warning is in the JSON form too' 'counted from config.json: 2 of 3 shards' plan acme/part --json -q
snapshot acme/dangling 4 main
config "$snap/config.json" && link gone model.safetensors
yes 'a dangling link beside config.json' 'model.safetensors is a link to a file that is not there' plan acme/dangling
rm "$snap/config.json"
no 'a dangling link alone' 'perhaps of a download that was interrupted' plan acme/dangling
no 'its path' 'is a link to a file that is not there' plan "$snap/model.safetensors"
ln -s loop "$T/cwd/loop"
no 'a circle of links' 'circle' plan loop
snapshot acme/none 5
rm -r "$repo/snapshots"
no 'a repository without a snapshot' 'the cache holds no snapshot' plan acme/none

snapshot acme/many 6 main
for q in Q8_0 Q4_K_M Q5_0; do cp "$demo" "$snap/demo-$q.gguf"; done
no 'several GGUF files are listed' 'several GGUF files: demo-Q4_K_M.gguf, demo-Q5_0.gguf, demo-Q8_0.gguf' plan acme/many
grep -qF 'name one, such as acme/many/demo-Q4_K_M.gguf' "$T/err"; ok $? 'and how to choose one'
yes 'and that way works' 'acme/many 3.67 M' plan acme/many/demo-Q4_K_M.gguf
snapshot acme/split 7 main
for i in 1 2; do cp "$demo" "$snap/demo-0000$i-of-00002.gguf"; done; cp "$demo" "$snap/mmproj-f16.gguf"
yes 'one set of parts is one model' 'the projector beside it is not counted' plan acme/split
rm "$snap/demo-00001-of-00002.gguf"
no 'a part that is missing' '1 of the 2 parts of demo-00001-of-00002.gguf are there' plan acme/split
snapshot acme/folders 8 main
mkdir "$snap/Q8_0" && cp "$demo" "$snap/Q8_0/demo.gguf"
yes 'GGUF files in a subfolder' 'acme/folders 3.67 M' plan acme/folders
snapshot single 9 main
cp "$demo" "$snap/x.gguf"
yes 'a name without an owner' 'single 3.67 M' plan single

# ---- precedence
yes 'the row of the catalogue' 'llama-3.1-8b 8.03 B' plan meta-llama/Llama-3.1-8B
snapshot meta-llama/Llama-3.1-8B 10 main
: >"$snap/tokenizer.json"
yes 'a row where the cache holds no model' 'the row of the catalogue was taken: ' plan meta-llama/Llama-3.1-8B
cp "$demo" "$snap/model.gguf"
yes 'the files win over the row' 'meta-llama/Llama-3.1-8B 3.67 M' plan meta-llama/Llama-3.1-8B
yes 'the row by its own name' 'llama-3.1-8b 8.03 B' plan llama-3.1-8b
printf 'GGUF' >"$snap/model.gguf"
no 'a damaged file is not hidden by the row' 'model.gguf' plan meta-llama/Llama-3.1-8B
no 'a name that nobody has' "no model is called 'acme/smull'" plan acme/smull
grep -qF 'on this disk: acme/small' "$T/err"; ok $? 'the nearest on this disk is offered'

# ---- Ollama
blob() { # file: as a blob; its digest in $digest
    digest=$(sha256sum "$1" | cut -c1-64)
    mkdir -p "$OLLAMA_MODELS/blobs" && cp "$1" "$OLLAMA_MODELS/blobs/sha256-$digest"
}
manifest() { # path below manifests, layers
    mkdir -p "$OLLAMA_MODELS/manifests/${1%/*}"
    printf '{"schemaVersion":2,"config":{"digest":"sha256:0","size":1},"layers":[%s]}' "$2" >"$OLLAMA_MODELS/manifests/$1"
}
layer() { # kind digest size
    printf '{"mediaType":"application/vnd.ollama.image.%s","digest":"%s","size":%s}' "$1" "$2" "$3"
}
no 'without Ollama' 'Ollama has no model' plan llama3.1:8b
grep -qF 'bitbudget doctor' "$T/err"; ok $? 'it says how to find out where it is looked for'
blob "$demo"
size=$(wc -c <"$demo")
L=$(layer model "sha256:$digest" "$size")
lib=registry.ollama.ai/library
manifest $lib/llama3.1/8b "$(layer license sha256:1 5),$L"
manifest $lib/llama3.1/latest "$L"
manifest $lib/llava/7b "$L,$(layer projector sha256:2 1048576),$(layer adapter sha256:3 1048576)"
manifest registry.ollama.ai/user/own/v1 "$L"
manifest hf.co/user/repo-GGUF/Q4_K_M "$L"
yes 'name:tag' 'llama3.1:8b 3.67 M' plan llama3.1:8b
yes 'it says where it was found' 'Found on this disk (Ollama)' plan llama3.1:8b
yes 'ollama:name:tag' 'llama3.1:8b 3.67 M' plan ollama:llama3.1:8b
yes 'ollama:name is its latest' 'llama3.1:latest 3.67 M' plan ollama:llama3.1
yes 'user/name:tag' 'user/own:v1 3.67 M' plan user/own:v1
yes 'host/user/name:tag' 'hf.co/user/repo-GGUF:Q4_K_M 3.67 M' plan hf.co/user/repo-GGUF:Q4_K_M
yes 'the path of a manifest' 'llama3.1:8b 3.67 M' plan "$OLLAMA_MODELS/manifests/$lib/llama3.1/8b"
yes 'projector and adapter are named' 'Ollama also loads a projector and an adapter of 2.00 MiB, not counted here' plan llava:7b
no 'a tag that is not there' "Ollama has no model 'llama3.1:70b'" plan llama3.1:70b
grep -qF 'its tags here: 8b, latest' "$T/err"; ok $? 'those that are there are listed'
mkdir "$T/cwd/x:y" && config "$T/cwd/x:y/config.json"
yes 'a path with a colon that exists wins' 'x:y 95.04 K' plan x:y
cp "$demo" "$T/home/.ollama/secret"
for bad in sha256:../../secret sha256:../../../../../../etc/passwd "sha256:${digest}0" "sha256:${digest%?}" "md5:$digest" "sha256:$(echo "$digest" | tr a-f A-F)/x"; do
    manifest $lib/bad/1 "$(layer model "$bad" "$size")"
    no "the digest ${bad:0:24} is no path" '64 hexadecimal digits' plan bad:1
done
manifest $lib/bad/1 "$(layer model "sha256:$digest" $((size + 1)))"
no 'a model of another size' "has $size bytes, the manifest says $((size + 1))" plan bad:1
manifest $lib/bad/1 "$(layer model "sha256:${digest//[a-f]/0}" "$size")"
no 'a model that is missing' 'cannot be opened' plan bad:1
: >"$OLLAMA_MODELS/blobs/sha256-${digest//[a-f]/0}-partial"
no 'a download that has not ended' 'the download of its model has not ended' plan bad:1
manifest $lib/bad/1 "$(layer license sha256:1 5)"
no 'a manifest without a model' 'names no model' plan bad:1
printf '{"layers":3}' >"$OLLAMA_MODELS/manifests/$lib/bad/1"
no 'a manifest without layers' "a list 'layers'" plan bad:1
printf '\033[31m{' >"$OLLAMA_MODELS/manifests/$lib/bad/1"
no 'a manifest that is no JSON' 'bad/1' plan bad:1
truncate -s 100M "$OLLAMA_MODELS/manifests/$lib/bad/1"
no 'a manifest of 100 MB' 'at most 1048576 are read' plan bad:1
rm "$OLLAMA_MODELS/manifests/$lib/bad/1" && mkfifo "$OLLAMA_MODELS/manifests/$lib/bad/1"
no 'a manifest that is a FIFO' 'FIFO' plan bad:1
for bad in ../x:y ollama:../../x 'a b:c' ollama:a/b/c/d:e ollama: "ollama:$(printf '\033')x:y"; do
    no "no name of Ollama: $(printf %s "$bad" | tr -d '\033')" 'bitbudget: ' plan "$bad"
done

# ---- LM Studio
lms=$T/home/.lmstudio/models
mkdir -p "$lms/pub/repo" "$T/home/.cache/lm-studio/models/old/repo"
cp "$demo" "$lms/pub/repo/a.gguf" && cp "$demo" "$T/home/.cache/lm-studio/models/old/repo/a.gguf"
yes 'publisher/repo' 'pub/repo 3.67 M' plan pub/repo
yes 'its older folder' 'Found on this disk (LM Studio)' plan old/repo
yes 'publisher/repo/file' 'pub/repo/a.gguf 3.67 M' plan pub/repo/a.gguf
no 'not out of its folder' 'bitbudget: ' plan pub/../../../secret
yes 'doctor: LM Studio' "LM Studio $lms: 1 model" doctor
yes 'doctor: Ollama' "Ollama $OLLAMA_MODELS: " doctor
yes 'doctor: the cache' "Hugging Face cache $hub: 9 models" doctor

# ---- folders
d=$T/cwd/d
fresh() { rm -rf "$d" && mkdir "$d"; }
fresh
no 'an empty folder' 'the folder is empty' plan d
: >"$d/README.md"
no 'a folder without a model' 'neither config.json nor safetensors nor GGUF' plan d
: >"$d/consolidated.00.pth"
no 'pickled weights alone' 'neither config.json' plan d
grep -qF 'consolidated.00.pth is pickled code' "$T/err"; ok $? 'and why they are not read'
config "$d/config.json"
yes 'with config.json they are counted from it' 'the weights (consolidated.00.pth) are pickled code, which is never read' plan d
fresh && config "$d/config.json" && tensors "$d/gptq_model-4bit-128g.safetensors"
yes 'the only safetensors file, whatever its name' '6 parameters' inspect d
tensors "$d/other.safetensors"
yes 'several of them: config.json is counted' 'which of several safetensors files is the model is not clear' plan d
rm "$d/config.json"
no 'several of them alone' 'several safetensors files: gptq_model-4bit-128g.safetensors, other.safetensors' plan d
fresh && tensors "$d/adapter_model.safetensors" lora_A
printf '{"base_model_name_or_path":"acme/\\u001b[31mbase","peft_type":"LORA"}' >"$d/adapter_config.json"
yes 'an adapter names its base' 'an adapter: acme/\x1B[31mbase, to which it is added, is not counted' inspect d
rm "$d/adapter_model.safetensors" && : >"$d/adapter_model.bin"
no 'a pickled adapter' 'without its adapter_model.safetensors' inspect d
fresh && mkfifo "$d/model.safetensors"
no 'a FIFO in a folder does not block' 'FIFO' plan d
fresh && printf '{' >"$d/model.safetensors.index.json" && : >"$d/model-00001-of-00002.safetensors"
no 'a broken index of shards without config.json' 'expected a name in quotes' plan d
fresh && : >"$d/model-00001-of-00002.safetensors" && : >"$d/model-00002-of-00002.safetensors"
bb plan d; [ $? = 4 ] && grep -qF 'without their index' "$T/err"; ok $? 'shards alone are exit 4'
fresh && tensors "$d/model-00001-of-00001.safetensors" a && config "$d/config.json" &&
    printf '{"metadata":{"total_size":0},"weight_map":{"a":"model-00001-of-00001.safetensors"}}' \
        >"$d/model.safetensors.index.json"
yes 'shards that are all there are read' 'safetensors' inspect d
fresh && cp "$demo" "$d/$(printf 'a\033[31mb').gguf" && cp "$demo" "$d/c.gguf"
no 'names with control characters are escaped' 'a\x1B[31mb.gguf, c.gguf' plan d
no 'a very long name' 'no model is called' plan "$(printf '%0300d' 1 | tr 0 a)x"
no 'a long name of the hub' 'no model is called' plan "$(printf '%0300d' 1 | tr 0 a)/$(printf '%0300d' 1 | tr 0 a)"

# ---- the home folder, where no shell expands it
mkdir -p "$T/home/m" && config "$T/home/m/config.json"
yes 'a literal ~/' 'm 95.04 K' plan '~/m'
no 'nothing behind ~/' 'no such file or folder' plan '~/none'

# ---- the screens
if command -v tmux >/dev/null 2>&1; then
    tm() { tmux -L "bb-stores-$$" -f /dev/null "$@"; }
    trap 'tm kill-server 2>/dev/null; sleep 0.2; rm -rf "$T"' EXIT
    wait_for() { # text, at most ten seconds
        for _ in $(seq 200); do
            tm capture-pane -p 2>/dev/null | tee "$T/out" | grep -qF -- "$1" && return 0
            sleep 0.05
        done
        return 1
    }
    : >"$T/err"
    tm new-session -d -x 100 -y 30 "cd $T/cwd; env -i PATH=$PATH HOME=$HOME OLLAMA_MODELS=$OLLAMA_MODELS TERM=screen LC_ALL=C.UTF-8 $bin tui --model acme/small"
    wait_for 'acme/small'; ok $? 'the Plan screen takes a name'
    tm send-keys Enter && wait_for 'name, count' && tm send-keys 'llama3.1:8' && wait_for 'on this disk, Ollama'
    ok $? 'names on this disk can be chosen'
    tm send-keys C-u && sleep 0.2 && tm send-keys '~/m' && sleep 0.2 && tm send-keys Enter && wait_for 'the folder holds no weights'
    ok $? 'a literal ~/ on the Plan screen, with its warning'
else
    for what in 'a name' 'choosing' 'a literal ~/'; do n=$((n + 1)) && echo "ok $n - the Plan screen: $what # SKIP tmux is not installed"; done
fi

# ---- very many entries
many=5000
[ -n "${BB_SLOW:-}" ] && many=100000
fresh && (cd "$d" && seq -f 'm%06.0f.gguf' $many | xargs touch)
start=$(date +%s%N)
no "a folder of $many GGUF files" 'm000008.gguf and others' plan d
[ $((($(date +%s%N) - start) / 1000000)) -lt 5000 ]; ok $? 'in good time'
mkdir "$T/big" && (cd "$T/big" && seq -f 'models--a--m%06.0f' 5000 | xargs mkdir)
HF_HUB_CACHE=$T/big no 'a cache of 5000 models' "no model is called 'b/c'" plan b/c
HF_HUB_CACHE=$T/big yes 'doctor counts them up to a limit' 'more than 4096 models' doctor
exit $failed
