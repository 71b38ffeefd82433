# SPDX-License-Identifier: MIT
# Bash completion of pipersr.

_pipersr_options()
{
    local common='--threads --precision --isa --model --json --help'
    case $1 in
    upscale)
        echo "--input --output --recursive --force --skip-existing --format --scale --memory-limit" \
            "--max-pixels --quality --lossless --strip --codec --crf --preset --pix-fmt --encoder-opts --encoder-threads" \
            "--resume --segment-frames --deinterlace --max-height --allow-lossy --strict --start --duration --to --no-reuse --framerate --start-number --quiet --version" \
            "$common" ;;
    plan) _pipersr_options upscale ;;
    run-segment | join) echo '--threads --isa --memory-limit --output --force --quiet --help' ;;
    calibrate) echo '--output --force --model --max-images --keep-size --no-synthetic --quiet --json --help' ;;
    serve)
        echo '--listen --port --unix --tls-cert --tls-key --state --key --key-file --allow-origin --allow-host --allow-dir
            --max-upload --max-pixels --max-duration --max-queued --max-running --max-rate --max-disk --keep
            --job-memory --job-time --stall-time --max-connections --client-connections --threads --drain --help'
        ;;
    mcp) echo '--allow-dir --help --version' ;;
    export) echo '--format --output --force --model --precision --size --help' ;;
    info) echo '--model --models --json --help' ;;
    speed) echo "--size --frames --at-once $common" ;;
    quality) echo "--scale $common" ;;
    video) echo "--frames --repeat --codec --crf --preset --encoder-threads --no-reuse $common" ;;
    esac
}

# Values of the option $1 that are one of a few words. Fails for options without such.
_pipersr_values()
{
    case $1 in
    --precision) echo 'auto fp32 bf16 int8' ;;
    --isa) echo 'auto c avx2 avx512 amx neon' ;;
    --scale) echo '2 4' ;;
    --format) echo 'png jpg webp tiff gif avif heic mp4 mkv mov webm y4m' ;;
    --codec) echo 'h264 hevc av1 vp9 ffv1 prores copy-settings' ;;
    --pix-fmt) echo 'yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le' ;;
    --framerate) echo '24 24000/1001 25 30000/1001 30 50 60' ;;
    --max-height) echo '720 1080 1440 2160' ;;
    --allow-lossy) echo 'dolby-vision hdr10plus hdr-vivid hdr depth' ;;
    --deinterlace) echo 'auto yes no' ;;
    --preset) echo 'ultrafast superfast veryfast faster fast medium slow slower veryslow' ;;
    --size) echo '640x360 1280x720 1920x1080' ;;
    --threads | --memory-limit | --max-pixels | --quality | --crf | --segment-frames | --encoder-opts | --start | --start-number | --duration | --to | --frames | --at-once | --max-images | --repeat | --encoder-threads) echo '' ;;
    *) return 1 ;;
    esac
}

# Names of the built-in models of the program $1.
_pipersr_models()
{
    "$1" info --models --json 2>/dev/null | grep -o '"name":"[a-z0-9-]*"' | cut -d '"' -f 4
}

_pipersr()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} values
    COMPREPLY=()
    if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'upscale info calibrate export segment bench serve mcp' -- "$word")
        return
    fi
    if [[ $command == bench || $command == segment ]]; then
        if ((COMP_CWORD == 2)); then
            local steps='speed quality video --help'
            [[ $command == bench ]] || steps='plan run-segment join --help'
            mapfile -t COMPREPLY < <(compgen -W "$steps" -- "$word")
            return
        fi
        command=${COMP_WORDS[2]}
    elif [[ $command == -* ]]; then
        command=upscale
    fi
    if values=$(_pipersr_values "$previous"); then
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    elif [[ $previous == --model ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(
            compgen -W "$(_pipersr_models "${COMP_WORDS[0]}")" -- "$word"
            compgen -f -- "$word"
        )
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_pipersr_options "$command")" -- "$word")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F _pipersr pipersr
