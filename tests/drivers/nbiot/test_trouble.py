import asyncio

import pytest

from drivers.base import LineDown
from drivers.nbiot.recovery import Cause
from drivers.nbiot.trouble import News, Restarted, Trouble


async def test_what_explains_the_rest_outweighs_it_whichever_comes_first() -> None:
    follows = Trouble(Cause.SILENT, "no answer")
    for order in ([Restarted(), follows], [follows, Restarted()]):
        news = News()
        for trouble in order:
            news.tell(trouble)
        with pytest.raises(Restarted):
            await news.rest(10)
        await news.rest(0)  # it was told once


async def test_a_refusal_is_explained_by_a_reboot_and_not_by_another_trouble() -> None:
    news = News()
    news.tell(Trouble(Cause.MUTE, "three sendings failed"))
    news.raise_if_interrupted()
    news.tell(LineDown("gone"))
    with pytest.raises(LineDown):
        news.raise_if_interrupted()


async def test_a_rest_ends_with_news_before_its_time() -> None:
    news = News()
    asyncio.get_running_loop().call_later(0.01, news.wake)
    async with asyncio.timeout(2):
        await news.rest(60)
