"""The sample pujas that `seed_catalog` puts into the shop; the pages show their texts in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_noop as _


@dataclass(frozen=True, slots=True)
class SamplePackage:
    """One package; `price_paise` is integer paise."""

    name: str
    price_paise: int
    description: str


@dataclass(frozen=True, slots=True)
class SamplePuja:
    """One puja with its packages; `capacity` is how many priests (or groups of them) can begin at one time."""

    slug: str
    name: str
    summary: str
    description: str
    duration_minutes: int
    capacity: int
    packages: tuple[SamplePackage, ...]


SAMPLES = (
    SamplePuja(
        "ganesh-puja",
        _("Ganesh Puja"),
        _("Ask Lord Ganesha to clear the way before something new begins."),
        _(
            "Ganesh Puja is performed before a new venture, an exam, a journey or a wedding. The priest invokes Lord"
            " Ganesha with durva grass, red flowers and modak, recites the Ganapati Atharvashirsha and closes with"
            " the aarti. The priest brings what is listed in the package; you only keep a clean place ready."
        ),
        75,
        8,
        (
            SamplePackage(
                _("Essential"), 149900, _("One priest, sankalp in the family's name, puja and aarti.")
            ),
            SamplePackage(_("Family"), 299900, _("As Essential, with all samagri, flowers and 21 modak.")),
            SamplePackage(
                _("With havan"), 549900, _("Two priests, Ganapati havan, samagri, flowers and prasad.")
            ),
        ),
    ),
    SamplePuja(
        "satyanarayan-katha",
        _("Satyanarayan Katha"),
        _("The story of Lord Satyanarayan, read at home with family and neighbours."),
        _(
            "The five chapters of the Satyanarayan Katha are read on a full-moon day or on any happy occasion: a"
            " birthday, an anniversary, a vow fulfilled. The katha is followed by aarti and panjiri prasad, which is"
            " shared with everyone present."
        ),
        120,
        5,
        (
            SamplePackage(_("Essential"), 210000, _("One priest, the katha in Hindi, aarti.")),
            SamplePackage(
                _("Complete"), 350000, _("As Essential, with samagri, fruit, panchamrit and prasad.")
            ),
        ),
    ),
    SamplePuja(
        "griha-pravesh",
        _("Griha Pravesh"),
        _("Enter a new home with its first lamp, its first fire and a blessing."),
        _(
            "Before the first night in a new home the threshold is worshipped, the kalash is carried in and milk is"
            " boiled over. Ganesh, Vastu and Navagraha are worshipped, and a havan purifies the rooms. Please have"
            " the muhurat confirmed before you choose the date."
        ),
        180,
        4,
        (
            SamplePackage(_("Essential"), 510000, _("One priest, threshold puja, Ganesh and Vastu puja.")),
            SamplePackage(_("Complete"), 890000, _("Two priests, havan, all samagri, kalash and flowers.")),
            SamplePackage(
                _("Grand"), 1510000, _("Four priests, Vastu Shanti with full havan, garlands, prasad for 25.")
            ),
        ),
    ),
    SamplePuja(
        "rudrabhishek",
        _("Rudrabhishek"),
        _("Abhishek of the Shivling with milk, honey and the Sri Rudram."),
        _(
            "The priests bathe the Shivling with milk, curd, ghee, honey and Ganga water while the Sri Rudram is"
            " chanted. It is performed for health and peace of mind, above all on Mondays, in Shravan and on Pradosh."
        ),
        105,
        4,
        (
            SamplePackage(_("Laghu"), 310000, _("One priest, a Parthiv Shivling, one recitation.")),
            SamplePackage(
                _("Ekadash"), 710000, _("Three priests, eleven recitations, all samagri and bel leaves.")
            ),
        ),
    ),
    SamplePuja(
        "lakshmi-puja",
        _("Lakshmi Puja"),
        _("Welcome Goddess Lakshmi to the home or the new account books."),
        _(
            "Lakshmi and Ganesha are worshipped together with lotus flowers, rice and lamps; the Sri Suktam is"
            " recited. It is performed on Diwali, on Fridays and when a shop or office opens. Account books and keys"
            " may be blessed as well."
        ),
        90,
        6,
        (
            SamplePackage(
                _("Essential"), 199900, _("One priest, Lakshmi-Ganesh puja, Sri Suktam and aarti.")
            ),
            SamplePackage(
                _("Shop and office"), 399900, _("As Essential, with samagri and the blessing of the books.")
            ),
        ),
    ),
    SamplePuja(
        "navagraha-shanti",
        _("Navagraha Shanti"),
        _("Peace with the nine planets, by mantra, grain and fire."),
        _(
            "Each of the nine planets receives its mantra, its grain and its colour, followed by a havan. Bring the"
            " time and place of birth when the puja is for one person; the priest will call you, usually the day"
            " before."
        ),
        150,
        3,
        (
            SamplePackage(_("Essential"), 410000, _("One priest, Navagraha puja and nine rounds of japa.")),
            SamplePackage(_("Complete"), 750000, _("Two priests, havan with nine woods, all samagri.")),
            SamplePackage(
                _("With japa of 11,000"), 2100000, _("Four priests, japa over one day, havan, prasad.")
            ),
        ),
    ),
    SamplePuja(
        "saraswati-puja",
        _("Saraswati Puja"),
        _("For learning: books, instruments and a child's first letters."),
        _(
            "Goddess Saraswati is worshipped with white and yellow flowers; books, pens and instruments rest at her"
            " feet. A child's first letters (Vidyarambh) can be written with the priest on the same day."
        ),
        60,
        6,
        (
            SamplePackage(_("Essential"), 129900, _("One priest, puja and aarti.")),
            SamplePackage(
                _("With Vidyarambh"), 229900, _("As Essential, with slate, samagri and the first letters.")
            ),
        ),
    ),
    SamplePuja(
        "namkaran",
        _("Namkaran"),
        _("A name for the child, whispered by the family and blessed by fire."),
        _(
            "On the eleventh or twelfth day, or on any auspicious day after it, the child receives its name. Ganesh"
            " and the family's deities are worshipped, the name is written in rice and whispered into the child's"
            " ear, and a small havan closes the ceremony."
        ),
        75,
        5,
        (
            SamplePackage(_("Essential"), 179900, _("One priest, puja, naming and aarti.")),
            SamplePackage(_("With havan"), 329900, _("As Essential, with havan, samagri and prasad.")),
        ),
    ),
    SamplePuja(
        "sundarkand-path",
        _("Sundarkand Path"),
        _("Hanuman's journey to Lanka, sung with harmonium and dholak."),
        _(
            "The Sundarkand of the Ramcharitmanas is sung from beginning to end, followed by the Hanuman Chalisa and"
            " the aarti. Everybody may sing along; we bring the books. Tuesdays and Saturdays are most asked for."
        ),
        150,
        2,
        (
            SamplePackage(
                _("Essential"), 250000, _("One priest, the whole path, Hanuman Chalisa and aarti.")
            ),
            SamplePackage(
                _("With music"), 610000, _("Two singers, harmonium and dholak, samagri, boondi prasad.")
            ),
        ),
    ),
)
