/* SPDX-License-Identifier: GPL-3.0-or-later */
/* programs.c - options of llama.cpp v0.5.0 (common/arg.cpp, tools/llama-bench), vLLM 0.11 (engine arguments) and Ollama
 * 0.12 (envconfig). */
#include "cli/programs.h"
#include <string.h>

/* ---- llama.cpp ---- */

static const cli_program_option llama_options[] = {
    {"-m --model LLAMA_ARG_MODEL", TAKE_MODEL, OPT_COUNT},
    {"-hf -hfr --hf-repo LLAMA_ARG_HF_REPO", TAKE_HF, OPT_COUNT},
    {"-hff --hf-file LLAMA_ARG_HF_FILE", TAKE_HF_FILE, OPT_COUNT},
    {"-c --ctx-size LLAMA_ARG_CTX_SIZE", TAKE_TOKENS, OPT_CTX},
    {"--kv-unified-per-slot LLAMA_ARG_KV_UNIFIED_PER_SLOT", TAKE_POOL, OPT_COUNT},
    {"-b --batch-size LLAMA_ARG_BATCH", TAKE_VALUE, OPT_BATCH},
    {"-ub --ubatch-size LLAMA_ARG_UBATCH", TAKE_VALUE, OPT_UBATCH},
    {"-np --parallel LLAMA_ARG_N_PARALLEL", TAKE_SLOTS, OPT_PARALLEL},
    {"-kvu --kv-unified LLAMA_ARG_KV_UNIFIED", TAKE_FLAG, OPT_KV_UNIFIED},
    {"-no-kvu --no-kv-unified", TAKE_NOT, OPT_KV_UNIFIED},
    {"-ctk --cache-type-k LLAMA_ARG_CACHE_TYPE_K", TAKE_VALUE, OPT_KV_K},
    {"-ctv --cache-type-v LLAMA_ARG_CACHE_TYPE_V", TAKE_VALUE, OPT_KV_V},
    {"-fa --flash-attn LLAMA_ARG_FLASH_ATTN", TAKE_WHEN, OPT_FLASH_ATTN},
    {"-ngl --gpu-layers --n-gpu-layers LLAMA_ARG_N_GPU_LAYERS", TAKE_LAYERS, OPT_GPU_LAYERS},
    {"-sm --split-mode LLAMA_ARG_SPLIT_MODE", TAKE_SPLIT, OPT_SPLIT_MODE},
    {"-ts --tensor-split LLAMA_ARG_TENSOR_SPLIT", TAKE_VALUE, OPT_TENSOR_SPLIT},
    {"-mg --main-gpu LLAMA_ARG_MAIN_GPU", TAKE_VALUE, OPT_MAIN_GPU},
    {"-nkvo --no-kv-offload", TAKE_FLAG, OPT_KV_HOST},
    {"-kvo --kv-offload", TAKE_NOT, OPT_KV_HOST},
    {"--swa-full LLAMA_ARG_SWA_FULL", TAKE_FLAG, OPT_SWA_FULL},
    {"--no-op-offload", TAKE_FLAG, OPT_NO_OP_OFFLOAD},
    {"--op-offload", TAKE_NOT, OPT_NO_OP_OFFLOAD},
    {"-lm --load-mode LLAMA_ARG_LOAD_MODE", TAKE_LOADING, OPT_NO_MMAP},
    {"--no-mmap", TAKE_FLAG, OPT_NO_MMAP}, /* until --load-mode came */
    {"--mmap --mlock", TAKE_NOT, OPT_NO_MMAP},
    {"-cmoe --cpu-moe LLAMA_ARG_CPU_MOE", TAKE_FLAG, OPT_CPU_MOE},
    {"-ncmoe --n-cpu-moe LLAMA_ARG_N_CPU_MOE", TAKE_VALUE, OPT_N_CPU_MOE},
    {"-ot --override-tensor LLAMA_ARG_OVERRIDE_TENSOR", TAKE_VALUE, OPT_OVERRIDE_TENSOR},
    {"-fit --fit LLAMA_ARG_FIT", TAKE_FIT, OPT_COUNT},
    {"--embedding --embeddings --rerank --reranking", TAKE_EMBED, OPT_COUNT},
    {"-mm --mmproj LLAMA_ARG_MMPROJ -mmu --mmproj-url --lora --lora-scaled --control-vector --control-vector-scaled",
     TAKE_TELL, OPT_COUNT},
    {"-md --spec-draft-model --model-draft --spec-draft-hf -hfd -hfrd --hf-repo-draft", TAKE_TELL, OPT_COUNT},
    {"--rpc -dev --device -ncffn --n-cpu-ffn -mu --model-url -dr --docker-repo --override-kv", TAKE_TELL, OPT_COUNT},
    {"-cram --cache-ram -ctxcp --ctx-checkpoints --swa-checkpoints", TAKE_TELL, OPT_COUNT},
    {"--mtp --dflash --eagle3", TAKE_TELL_FLAG, OPT_COUNT},
    {NULL, TAKE_QUIET, OPT_COUNT},
};

/* Names of options that decide no size. */
static const char llama_valued[] =
    " --server-base -co --color -t --threads -tb --threads-batch -C --cpu-mask -Cr --cpu-range "
    "--cpu-strict --prio --poll -Cb --cpu-mask-batch -Crb --cpu-range-batch --cpu-strict-batch "
    "--prio-batch --poll-batch -lcs --lookup-cache-static -lcd --lookup-cache-dynamic -n --predict "
    "--n-predict --keep -cms --checkpoint-min-step -p --prompt -sys --system-prompt -f --file -sysf "
    "--system-prompt-file -ptc --print-token-count --prompt-cache -r --reverse-prompt --in-prefix "
    "--in-suffix --samplers -s --seed --sampler-seq --sampling-seq --temp --temperature --top-k --top-p "
    "--min-p --top-nsigma --top-n-sigma --xtc-probability --xtc-threshold --typical --typical-p "
    "--repeat-last-n --repeat-penalty --presence-penalty --frequency-penalty --dry-multiplier --dry-base "
    "--dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker --adaptive-target --dynatemp-range "
    "--dynatemp-exp --mirostat --mirostat-lr --mirostat-ent -l --logit-bias --grammar --grammar-file -j "
    "--json-schema -jf --json-schema-file --pooling --attention --rope-scaling --rope-scale "
    "--rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor --yarn-attn-factor "
    "--yarn-beta-slow --yarn-beta-fast -gan --grp-attn-n -gaw --grp-attn-w -dt --defrag-thold -ns "
    "--sequences -mmdev --mmproj-device --image --audio --video --image-min-tokens --image-max-tokens "
    "--mtmd-batch-max-tokens --video-fps --video-timestamp-interval --video-ffmpeg-dir -lzm --lazy-mode "
    "--numa -fitp --fit-print -fitt --fit-target -fitc --fit-ctx --control-vector-layer-range -a --alias "
    "--tags -hft --hf-token -o --output --from-chunk --host --port --path --cors-origins --cors-methods "
    "--cors-headers --api-prefix --ui-config --webui-config --ui-config-file --webui-config-file --tools "
    "--tools-runtime --mcp-servers-config --mcp-servers-json --api-key --api-key-file --ssl-key-file "
    "--ssl-cert-file --chat-template-kwargs -to --timeout --sse-ping-interval --threads-http "
    "--cache-reuse --slot-save-path --media-path --models-dir --models-preset --models-max "
    "--reasoning-format -rea --reasoning --reasoning-effort --reasoning-budget "
    "--reasoning-budget-message --chat-template --chat-template-file -sps --slot-prompt-similarity "
    "--sleep-idle-seconds --log-file --log-prompts-dir --log-colors -lv --verbosity --log-verbosity "
    "--spec-draft-threads -td --threads-draft --spec-draft-threads-batch -tbd --threads-batch-draft "
    "--spec-draft-cpu-mask -Cd --cpu-mask-draft --spec-draft-cpu-range -Crd --cpu-range-draft "
    "--spec-draft-cpu-strict --cpu-strict-draft --spec-draft-prio --prio-draft --spec-draft-poll "
    "--poll-draft --spec-draft-cpu-mask-batch -Cbd --cpu-mask-batch-draft --spec-draft-cpu-range-batch "
    "-Crbd --cpu-range-batch-draft --spec-draft-cpu-strict-batch --cpu-strict-batch-draft "
    "--spec-draft-prio-batch --prio-batch-draft --spec-draft-poll-batch --poll-batch-draft "
    "--spec-draft-type-k -ctkd --cache-type-k-draft --spec-draft-type-v -ctvd --cache-type-v-draft "
    "--spec-draft-override-tensor -otd --override-tensor-draft --spec-draft-n-cpu-moe --spec-draft-ncmoe "
    "-ncmoed --n-cpu-moe-draft --spec-draft-n-max --spec-draft-n-min --spec-synth-len --spec-synth-rates "
    "--spec-draft-p-split --draft-p-split --spec-draft-p-min --draft-p-min --spec-draft-device -devd "
    "--device-draft --spec-draft-ngl -ngld --gpu-layers-draft --n-gpu-layers-draft --spec-type "
    "--spec-ngram-mod-n-min --spec-ngram-mod-n-max --spec-ngram-mod-n-match --spec-ngram-simple-size-n "
    "--spec-ngram-simple-size-m --spec-ngram-simple-min-hits --spec-ngram-map-k-size-n "
    "--spec-ngram-map-k-size-m --spec-ngram-map-k-min-hits --spec-ngram-map-k4v-size-n "
    "--spec-ngram-map-k4v-size-m --spec-ngram-map-k4v-min-hits --draft --draft-n --draft-max --draft-min "
    "--draft-n-min --spec-ngram-size-n --spec-ngram-size-m --spec-ngram-min-hits ";
static const char llama_flags[] =
    " -h --help --usage --version -cl --cache-list --completion-bash --verbose-prompt --display-prompt "
    "--no-display-prompt --cache-idle-slots --no-cache-idle-slots --context-shift --no-context-shift "
    "--perf --no-perf --show-timings --no-show-timings -e --escape --no-escape --prompt-cache-all "
    "--prompt-cache-ro -sp --special -cnv --conversation -no-cnv --no-conversation -st --single-turn -i "
    "--interactive -if --interactive-first -mli --multiline-input --in-prefix-bos --warmup --no-warmup "
    "--spm-infill --ignore-eos -bs --backend-sampling --repack -nr --no-repack --no-host -cb "
    "--cont-batching -nocb --no-cont-batching --mmproj-auto --no-mmproj --no-mmproj-auto "
    "--mmproj-offload --no-mmproj-offload --list-devices --check-tensors --parse-special "
    "--no-parse-special --reuse-port --cors-credentials --no-cors-credentials --ui-mcp-proxy "
    "--webui-mcp-proxy --no-ui-mcp-proxy --no-webui-mcp-proxy -ag --agent -no-ag --no-agent --ui --webui "
    "--no-ui --no-webui --cache-prompt --no-cache-prompt --metrics --props --slots --no-slots "
    "--models-autoload --no-models-autoload --jinja --no-jinja --reasoning-preserve "
    "--no-reasoning-preserve --skip-chat-parsing --no-skip-chat-parsing --prefill-assistant "
    "--no-prefill-assistant --simple-io --log-disable --log-jsonl --no-log-jsonl -v --verbose "
    "--log-verbose --offline --log-prefix --no-log-prefix --log-timestamps --no-log-timestamps "
    "--spec-draft-cpu-moe -cmoed --cpu-moe-draft --spec-draft-backend-sampling "
    "--no-spec-draft-backend-sampling ";

static const cli_program_option bench_options[] = {
    {"-m --model", TAKE_MODEL, OPT_COUNT},
    {"-hf -hfr --hf-repo", TAKE_HF, OPT_COUNT},
    {"-hff --hf-file", TAKE_HF_FILE, OPT_COUNT},
    {"-p --n-prompt", TAKE_PROMPT, OPT_COUNT},
    {"-n --n-gen", TAKE_GENERATE, OPT_COUNT},
    {"-pg", TAKE_PAIR, OPT_COUNT},
    {"-d --n-depth", TAKE_DEPTH, OPT_COUNT},
    {"-b --batch-size", TAKE_LIST, OPT_BATCH},
    {"-ub --ubatch-size", TAKE_LIST, OPT_UBATCH},
    {"-ctk --cache-type-k", TAKE_LIST, OPT_KV_K},
    {"-ctv --cache-type-v", TAKE_LIST, OPT_KV_V},
    {"-ngl --n-gpu-layers", TAKE_LAYERS, OPT_GPU_LAYERS},
    {"-ncmoe --n-cpu-moe", TAKE_LIST, OPT_N_CPU_MOE},
    {"-sm --split-mode", TAKE_SPLIT, OPT_SPLIT_MODE},
    {"-mg --main-gpu", TAKE_LIST, OPT_MAIN_GPU},
    {"-nkvo --no-kv-offload", TAKE_SWITCH, OPT_KV_HOST},
    {"-fa --flash-attn", TAKE_WHEN, OPT_FLASH_ATTN},
    {"-lm --load-mode", TAKE_LOADING, OPT_NO_MMAP},
    {"-ts --tensor-split", TAKE_LIST, OPT_TENSOR_SPLIT},
    {"-ot --override-tensor", TAKE_VALUE, OPT_OVERRIDE_TENSOR},
    {"-nopo --no-op-offload", TAKE_SWITCH, OPT_NO_OP_OFFLOAD},
    {"-embd --embeddings -dev --device -rpc --rpc -fitt --fit-target", TAKE_TELL, OPT_COUNT},
    {NULL, TAKE_QUIET, OPT_COUNT},
};
static const char bench_valued[] =
    " --numa -r --repetitions --prio --delay -o --output -oe --output-err -fitc --fit-ctx -hft --hf-token -t --threads "
    "-C --cpu-mask --cpu-strict --poll -lzm --lazy-mode --no-host ";
static const char bench_flags[] = " -h --help --version --list-devices -v --verbose --progress --no-warmup --offline ";

/* ---- vLLM ---- */

static const cli_program_option vllm_options[] = {
    {"--model", TAKE_MODEL, OPT_COUNT},
    {"--max-model-len", TAKE_LENGTH, OPT_CTX},
    {"--max-num-batched-tokens", TAKE_LENGTH, OPT_BATCH},
    {"--max-num-seqs", TAKE_VALUE, OPT_OUTPUTS},
    {"--gpu-memory-utilization", TAKE_VALUE, OPT_UTILIZATION},
    {"--tensor-parallel-size -tp", TAKE_VALUE, OPT_TENSOR_PARALLEL},
    {"--pipeline-parallel-size -pp", TAKE_VALUE, OPT_PIPELINE_PARALLEL},
    {"--block-size", TAKE_VALUE, OPT_BLOCK_SIZE},
    {"--kv-cache-dtype", TAKE_KV, OPT_KV},
    {"--dtype", TAKE_DTYPE, OPT_COUNT},
    {"--quantization -q", TAKE_METHOD, OPT_WEIGHTS},
    {"--enforce-eager", TAKE_FLAG, OPT_EAGER},
    {"VLLM_ALLOW_LONG_MAX_MODEL_LEN", TAKE_SWITCH, OPT_LONG_CTX},
    {"--rope-scaling --hf-overrides", TAKE_ROPE, OPT_LONG_CTX},
    {"--no-enforce-eager", TAKE_NOT, OPT_EAGER},
    {"--cpu-offload-gb --kv-cache-memory-bytes --num-gpu-blocks-override --data-parallel-size -dp --speculative-config",
     TAKE_TELL, OPT_COUNT},
    {"--decode-context-parallel-size -dcp --max-lora-rank --max-loras --compilation-config -O", TAKE_TELL, OPT_COUNT},
    {"--enable-lora --enable-expert-parallel --disable-hybrid-kv-cache-manager", TAKE_TELL_FLAG, OPT_COUNT},
    {NULL, TAKE_QUIET, OPT_COUNT},
};
static const char vllm_valued[] =
    " --host --port --api-key --served-model-name --tokenizer --tokenizer-mode --revision --code-revision "
    "--tokenizer-revision --seed --download-dir --load-format --chat-template --chat-template-content-format "
    "--tool-call-parser --reasoning-parser --swap-space --max-logprobs --uvicorn-log-level --log-level --root-path "
    "--ssl-keyfile --ssl-certfile --distributed-executor-backend --limit-mm-per-prompt --mm-processor-kwargs "
    "--generation-config --override-generation-config --task --runner --convert --config --hf-token --model-impl "
    "--guided-decoding-backend --scheduling-policy --allowed-origins --allowed-methods --allowed-headers "
    "--lora-modules --response-role --middleware --allowed-local-media-path --num-lookahead-slots --node-rank --nnodes "
    "--master-addr --master-port --api-server-count --attention-backend --prefix-caching-hash-algo ";
static const char vllm_flags[] =
    " -h --help --trust-remote-code --no-trust-remote-code --enable-prefix-caching --no-enable-prefix-caching "
    "--enable-chunked-prefill --no-enable-chunked-prefill --enable-auto-tool-choice --disable-log-requests "
    "--enable-log-requests --disable-log-stats --disable-custom-all-reduce --headless --enable-reasoning "
    "--async-scheduling --no-async-scheduling --disable-uvicorn-access-log --allow-credentials "
    "--enable-server-load-tracking --enable-prompt-tokens-details --enable-request-id-headers "
    "--return-tokens-as-token-ids --disable-frontend-multiprocessing --disable-fastapi-docs --enable-sleep-mode ";

/* ---- Ollama ---- */

static const cli_program_option ollama_options[] = {
    {"OLLAMA_CONTEXT_LENGTH", TAKE_TOKENS, OPT_CTX},
    {"OLLAMA_NUM_PARALLEL", TAKE_SLOTS, OPT_PARALLEL},
    {"OLLAMA_KV_CACHE_TYPE", TAKE_CACHE, OPT_KV},
    {"OLLAMA_FLASH_ATTENTION", TAKE_WHEN, OPT_FLASH_ATTN},
    {"OLLAMA_GPU_OVERHEAD OLLAMA_MAX_LOADED_MODELS OLLAMA_SCHED_SPREAD", TAKE_TELL, OPT_COUNT},
    {"OLLAMA_HOST OLLAMA_MODELS OLLAMA_KEEP_ALIVE OLLAMA_LOAD_TIMEOUT OLLAMA_DEBUG OLLAMA_ORIGINS OLLAMA_NOHISTORY",
     TAKE_QUIET, OPT_COUNT},
    {NULL, TAKE_QUIET, OPT_COUNT},
};

static const cli_program programs[] = {
    /* four slots over one pool: tools/server/server.cpp; llama-cli is a server of one slot: tools/cli/cli-server.h */
    {"llama-server", "llama.cpp", "", llama_options, llama_valued, llama_flags, false, 4},
    {"llama-cli", "llama.cpp", "", llama_options, llama_valued, llama_flags, false, 1},
    {"llama-completion", "llama.cpp", "", llama_options, llama_valued, llama_flags, false, 0},
    {"llama-bench", "llama.cpp", "", bench_options, bench_valued, bench_flags, false, 0},
    {"vllm", "vllm", "serve", vllm_options, vllm_valued, vllm_flags, true, 0},
    {"vllm.entrypoints.openai.api_server", "vllm", "", vllm_options, vllm_valued, vllm_flags, false, 0},
    {"ollama", "ollama", "run", ollama_options, " --format --keepalive --think --dimensions ",
     " --insecure --nowordwrap --verbose --hidethinking --truncate ", true, 0},
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

const cli_program *cli_program_at(size_t i) { return i < PROGRAMS ? &programs[i] : NULL; }

const cli_program *cli_program_find(const char *word) {
    const char *slash = strrchr(word, '/');
    if (slash) word = slash + 1;
    for (size_t i = 0; i < PROGRAMS; i++)
        if (strcmp(programs[i].name, word) == 0) return &programs[i];
    return NULL;
}

bool cli_is_python(const char *word) {
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    return strncmp(name, "python", 6) == 0 && strspn(name + 6, "0123456789.") == strlen(name + 6);
}

static bool has_name(const char *names, const char *name, size_t length) {
    for (const char *p = names; *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        if (n == length && memcmp(p, name, n) == 0) return true;
        p += n;
    }
    return false;
}

const cli_program_option *cli_program_option_find(const cli_program *p, const char *name, size_t length) {
    static const cli_program_option valued = {"", TAKE_QUIET, OPT_COUNT}, flag = {"", TAKE_NOT, OPT_COUNT};
    for (const cli_program_option *o = p->options; o->names; o++)
        if (has_name(o->names, name, length)) return o;
    if (has_name(p->valued, name, length)) return &valued;
    return has_name(p->flags, name, length) ? &flag : NULL;
}

const char *cli_program_option_for(const cli_program *p, cli_id id) {
    for (const cli_program_option *o = p->options; o->names; o++)
        if (o->id == id && o->take != TAKE_NOT) return o->names;
    return NULL;
}
